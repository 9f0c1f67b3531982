package aggregate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// reload returns what a restart at now makes of w.
func reload(t require.TestingT, w *Workload, now time.Time) *Workload {
	loaded := NewWorkload(w.options.Value())
	loaded.rules = w.rules
	for _, name := range w.Containers() {
		saved, ok := w.Save(name, now)
		require.True(t, ok)
		require.NoError(t, loaded.Load(name, saved))
		require.False(t, loaded.Changed(name))
	}
	return loaded
}

// A restart must not be noticed: but for the rounding of weights, one that was saved and loaded at any moment answers
// and learns as one that ran on.
func TestOneThatWasLoadedGoesOnAsIfItHadNeverStopped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stayed := NewWorkload(DefaultOptions())
		var now time.Time
		for _, e := range drawEvents(t, "before") {
			e.apply(stayed)
			now = e.at
		}
		loaded := reload(t, stayed, now.Add(rapid.SampledFrom(steps).Draw(t, "until the save")))
		for _, e := range drawEvents(t, "after") {
			e.at = e.at.Add(now.Sub(start))
			amount, counted := e.apply(stayed)
			again, recounted := e.apply(loaded)
			require.Equal(t, counted, recounted, "%+v", e)
			require.Equal(t, amount, again)
		}
		require.True(t, slices.Equal(stayed.pods, loaded.pods), "%q is not %q", loaded.pods, stayed.pods)
		require.True(t, slices.Equal(stayed.windows, loaded.windows), "%+v is not %+v", loaded.windows, stayed.windows)
		for _, name := range stayed.Containers() {
			requireNear(t, &stayed.Aggregate(name).CPU, &loaded.Aggregate(name).CPU)
			requireNear(t, &stayed.Aggregate(name).MemoryPeaks, &loaded.Aggregate(name).MemoryPeaks)
			require.Equal(t, stayed.Aggregate(name).Samples(), loaded.Aggregate(name).Samples())
		}
	})
}

// requireNear allows for weights that were rounded to a ten-thousandth of the heaviest: less than a hundredth of all.
func requireNear(t require.TestingT, want, got *histogram.Histogram) {
	const slack = 0.02
	for _, p := range []float64{0.1, 0.5, 0.9} {
		require.LessOrEqual(t, want.Percentile(p-slack), got.Percentile(p), "p=%v", p)
		require.GreaterOrEqual(t, want.Percentile(p+slack), got.Percentile(p), "p=%v", p)
	}
}

func TestSavingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewWorkload(DefaultOptions())
		var now time.Time
		for _, e := range drawEvents(t, "events") {
			e.apply(w)
			now = e.at
		}
		for _, name := range w.Containers() {
			before := *w.Aggregate(name)
			before.CPU, before.MemoryPeaks = before.CPU.Clone(), before.MemoryPeaks.Clone()
			w.Save(name, now)
			require.Equal(t, before, *w.Aggregate(name), "to the last bit")
		}
	})
}

func TestAPeakIsLeftOutWhileItsIntervalRuns(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	w.Add(memory("a", start, 500e6))
	end := start.Add(24 * time.Hour)
	for name, tc := range map[string]struct {
		now   time.Time
		peaks int
	}{"it runs": {end.Add(-1), 0}, "it has ended": {end, 1}} {
		t.Run(name, func(t *testing.T) {
			saved, ok := w.Save("shop", tc.now)
			require.True(t, ok)
			require.Len(t, saved.Memory.Weights, tc.peaks)
			require.Equal(t, []Running{{Pod: "a", LastMemory: start, End: end, Peak: 500e6, Open: tc.peaks == 0}}, saved.Running)
		})
	}
	_, ok := w.Save("another", start)
	require.False(t, ok)
}

func TestWindowsBeyondTheMostThatAreListedKeepTheirPeaks(t *testing.T) {
	w, others, ended := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions()), start.Add(24*time.Hour)
	for i := range MaxRunning + 20 {
		s := memory(fmt.Sprintf("pod-%04d", i), start, 500e6)
		w.Add(s)
		if i >= MaxRunning {
			others.Add(s)
		}
	}
	saved, _ := w.Save("shop", start)
	require.Len(t, saved.Running, MaxRunning)
	require.Equal(t, 20, saved.Unlisted)
	want, _ := others.Save("shop", ended)
	require.InEpsilon(t, want.Memory.Total, saved.Memory.Total, 1e-9)

	whole, _ := w.Save("shop", ended)
	again, _ := reload(t, w, start).Save("shop", ended)
	require.InEpsilon(t, whole.Memory.Total, again.Memory.Total, 1e-9, "no peak is lost")
}

func TestNothingIsLoadedOverWhatIsKnown(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	w.Add(memory("a", start, 500e6))
	saved, _ := w.Save("shop", start)
	require.ErrorContains(t, w.Load("shop", saved), `container "shop": a checkpoint can only be loaded before`)
	require.NoError(t, w.Load("another", saved))
	w.Forget("a")
	require.Error(t, w.Load("another", saved), "what a pod that is gone has used is known, too")
	w.Drop("another")
	require.NoError(t, w.Load("another", saved), "what was dropped is not known")
}

func TestACheckpointThatCannotBeIsRefusedAndChangesNothing(t *testing.T) {
	whole := Checkpoint{
		CPU: histogram.Checkpoint{Reference: start, Weights: map[int]uint32{3: 10000}, Total: 1}, First: start, Last: start, Samples: 10,
		Running: []Running{{Pod: "a", LastMemory: start, End: start.Add(time.Hour), Peak: 5e8, Open: true}},
	}
	for name, tc := range map[string]struct {
		spoil func(*Checkpoint)
		want  string
	}{
		"a bad CPU bucket":          {func(c *Checkpoint) { c.CPU.Weights = map[int]uint32{500: 1} }, "CPU: bucket 500"},
		"a bad memory total":        {func(c *Checkpoint) { c.Memory.Total = -2 }, "memory: total weight -2"},
		"samples below nothing":     {func(c *Checkpoint) { c.Samples = -7 }, "-7 samples: must not be negative"},
		"a first before 1970":       {func(c *Checkpoint) { c.First = time.Unix(-5, 0) }, "first sample at 1969"},
		"a last beyond 2262":        {func(c *Checkpoint) { c.Last = start.AddDate(300, 0, 0) }, "last sample at 2326"},
		"the last before the first": {func(c *Checkpoint) { c.Last = start.Add(-1) }, "must not be before the first"},
		"a peak below nothing":      {func(c *Checkpoint) { c.Running[0].Peak = -1 }, `pod "a": peaks -1 and 0: must not be negative`},
		"a peak of no interval":     {func(c *Checkpoint) { c.Running[0].End = time.Time{} }, `pod "a": peaks 500000000 and 0: an interval with peaks must have an end`},
		"a sample beyond 2262":      {func(c *Checkpoint) { c.Running[0].LastMemory = start.AddDate(300, 0, 0) }, `pod "a": last memory sample at 2326`},
		"an interval beyond 2262":   {func(c *Checkpoint) { c.Running[0].End = start.AddDate(300, 0, 0) }, `pod "a": end of the interval at 2326`},
		"a window beyond 2262":      {func(c *Checkpoint) { c.Running[0].LastCPU = start.AddDate(300, 0, 0) }, `pod "a": last CPU sample at 2326`},
		"a pod twice":               {func(c *Checkpoint) { c.Running = append(c.Running, c.Running[0]) }, `pod "a": running windows must be sorted by pod, each once`},
	} {
		t.Run(name, func(t *testing.T) {
			c := whole
			c.Running = append([]Running(nil), whole.Running...)
			tc.spoil(&c)
			w := NewWorkload(DefaultOptions())
			require.ErrorContains(t, w.Load("shop", c), tc.want)
			require.Equal(t, NewWorkload(DefaultOptions()), w)
			require.NoError(t, w.Load("shop", whole))
		})
	}
}

func TestWhatWasAddedSinceTheSaveIsKnown(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	require.False(t, w.Changed("shop"))
	w.Add(memory("a", start, 500e6))
	require.True(t, w.Changed("shop"))
	w.MarkSaved("shop")
	require.False(t, w.Changed("shop"))
	require.False(t, w.Add(memory("a", start.Add(-time.Minute), 500e6)))
	require.False(t, w.Changed("shop"), "what does not count changes nothing")
	_, ok := w.AddOOM(usage.Container{Pod: "a", Name: "shop"}, 1e9, start)
	require.True(t, ok)
	require.True(t, w.Changed("shop"))
	w.MarkSaved("shop")
	history := NewWorkload(DefaultOptions())
	history.Add(memory("b", start.Add(-time.Hour), 500e6))
	w.AddHistory(history)
	require.True(t, w.Changed("shop"))
}
