package aggregate

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

func memory(pod string, at time.Time, amount usage.Amount) usage.Sample {
	return usage.Sample{Container: usage.Container{Namespace: "store", Pod: pod, Name: "shop"}, Resource: usage.Memory, Time: at, Amount: amount}
}

func TestHistoryAndLiveGiveWhatOneStreamGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t, "events")
		slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
		whole, live, history := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions())
		cut := start.Add(time.Duration(rapid.Int64Range(0, int64(100*24*time.Hour)).Draw(t, "cut")))
		for _, e := range events {
			if e.what != "cpu" {
				continue // a memory interval that is cut is anchored anew; see the tests below
			}
			e.apply(whole)
			if e.at.Before(cut) {
				e.apply(history)
			} else {
				e.apply(live)
			}
		}
		live.AddHistory(history)
		require.Equal(t, whole.Containers(), live.Containers())
		require.Equal(t, whole.windows, live.windows)
		for _, name := range whole.Containers() {
			a, b := whole.Aggregate(name), live.Aggregate(name)
			require.Equal(t, a.Samples(), b.Samples())
			require.Equal(t, a.First(), b.First())
			require.Equal(t, a.Last(), b.Last())
			require.InDelta(t, a.CPU.Percentile(0.9), b.CPU.Percentile(0.9), 1e-9)
		}
	})
}

func TestHistoryOfAPodInTheMiddleFindsItsPlace(t *testing.T) {
	w, history := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions())
	for _, c := range []usage.Container{{Pod: "c", Name: "shop"}, {Pod: "a", Name: "proxy"}, {Pod: "a", Name: "app"}} {
		w.Add(usage.Sample{Container: c, Resource: usage.CPU, Time: start.Add(time.Hour), Amount: 100})
	}
	for _, c := range []usage.Container{{Pod: "b", Name: "shop"}, {Pod: "b", Name: "init"}, {Pod: "a", Name: "proxy"}} {
		history.Add(usage.Sample{Container: c, Resource: usage.CPU, Time: start, Amount: 100})
	}
	w.AddHistory(history)
	require.Equal(t, []string{"a", "b", "c"}, w.pods)
	require.Equal(t, []string{"app", "init", "proxy", "shop"}, w.Containers())
	late, early := window{lastCPU: instant(start.Add(time.Hour).UnixNano())}, window{lastCPU: instant(start.UnixNano())}
	require.Equal(t, []window{
		late, {}, late, {},
		{}, early, {}, early,
		{}, {}, {}, late,
	}, w.windows)
}

func TestHistoryOfMemoryAloneLeavesTheTimesOfCPU(t *testing.T) {
	w, history := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions())
	w.Add(usage.Sample{Container: usage.Container{Pod: "a", Name: "shop"}, Resource: usage.CPU, Time: start, Amount: 100})
	history.Add(memory("a", start.Add(-time.Hour), 500e6))
	w.AddHistory(history)
	require.True(t, start.Equal(w.Aggregate("shop").First()))
	require.Zero(t, w.Aggregate("shop").Span())
}

func TestAMemoryIntervalThatRunsAcrossTheCutHasOnePeak(t *testing.T) {
	for name, tc := range map[string]struct{ before, after, want usage.Amount }{
		"the higher came before": {900e6, 500e6, 900e6},
		"the higher came after":  {500e6, 900e6, 900e6},
	} {
		t.Run(name, func(t *testing.T) {
			history, live, single := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions())
			history.Add(memory("a", start, tc.before))
			live.Add(memory("a", start.Add(time.Hour), tc.after))
			live.AddHistory(history)
			single.Add(memory("a", start, tc.want))
			for _, p := range []float64{0.01, 1} {
				require.Equal(t, single.Aggregate("shop").MemoryPeaks.Percentile(p), live.Aggregate("shop").MemoryPeaks.Percentile(p), "only the higher peak is left")
			}
		})
	}
}

func TestALiveContainerGoesOnWhereHistoryEnded(t *testing.T) {
	history, live := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions())
	history.Add(memory("a", start, 500e6))
	live.AddHistory(history)
	require.False(t, live.Add(memory("a", start.Add(-time.Minute), 900e6)), "history has covered it")
	require.True(t, live.Add(memory("a", start.Add(time.Hour), 600e6)))
}

func TestAnOOMPeakThatRunsAcrossTheCutIsJoinedToo(t *testing.T) {
	killed := usage.Container{Namespace: "store", Pod: "a", Name: "shop"}
	history, live := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions())
	history.Add(memory("a", start, 700e6))
	live.Add(memory("a", start.Add(time.Hour), 500e6))
	_, ok := live.AddOOM(killed, 900e6, start.Add(2*time.Hour))
	require.True(t, ok)
	live.AddHistory(history)
	needed, ok := live.AddOOM(killed, 0, start.Add(3*time.Hour))
	require.True(t, ok)
	require.EqualValues(t, 840e6, needed, "from what was used before the cut, 700 MB, and not from what the first kill said")
}

func TestAKilledContainerNeedsMoreThanItHad(t *testing.T) {
	killed := usage.Container{Namespace: "store", Pod: "a", Name: "shop"}
	const mb = usage.Amount(1e6)
	for name, tc := range map[string]struct {
		rules                Rules
		used, request, needs usage.Amount
	}{
		"a small one has a fixed step":          {DefaultOptions().Rules, 100 * mb, 200 * mb, 200*mb + 100<<20},
		"a large one has a fifth more":          {DefaultOptions().Rules, 100 * mb, 2000 * mb, 2400 * mb},
		"it had used more than it asked for":    {DefaultOptions().Rules, 3000 * mb, 2000 * mb, 3600 * mb},
		"it asked for nothing and was not seen": {DefaultOptions().Rules, 0, 0, 100 << 20},
		"its VPA says by how much":              {Rules{MemoryInterval: time.Hour, OOMBumpUpRatio: 2, OOMMinBumpUp: 1}, 100 * mb, 200 * mb, 400 * mb},
		"more than there can be":                {DefaultOptions().Rules, 0, math.MaxInt64, usage.MaxAmount},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWorkload(DefaultOptions())
			w.SetRules("shop", tc.rules)
			if tc.used > 0 {
				w.Add(memory("a", start, tc.used))
			}
			needs, ok := w.AddOOM(killed, tc.request, start.Add(time.Minute))
			require.True(t, ok)
			require.Equal(t, tc.needs, needs)
			require.Equal(t, histogram.Memory.Start(min(histogram.Memory.Bucket(float64(needs))+1, 175)), w.Aggregate("shop").MemoryPeaks.Percentile(1))
		})
	}
}

func TestAKillAfterAKillStartsFromWhatWasUsed(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	killed := usage.Container{Namespace: "store", Pod: "a", Name: "shop"}
	w.Add(memory("a", start, 1000e6))
	for i := range 5 {
		needs, ok := w.AddOOM(killed, 0, start.Add(time.Duration(i)*time.Minute))
		require.True(t, ok)
		require.EqualValues(t, 1200e6, needs, "a loop of kills does not add up")
	}
}

func TestAKillOfLongAgoDoesNotCount(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	killed := usage.Container{Namespace: "store", Pod: "a", Name: "shop"}
	w.Add(memory("a", start, 500e6))
	_, ok := w.AddOOM(killed, 1e9, start.Add(-24*time.Hour-1))
	require.False(t, ok)
	_, ok = w.AddOOM(killed, 1e9, start.Add(-24*time.Hour))
	require.True(t, ok)
}

func TestRulesHoldFromTheNextIntervalOn(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	w.Add(memory("a", start, 500e6))
	w.SetRules("shop", Rules{MemoryInterval: time.Hour, OOMBumpUpRatio: 1.2})
	end := func() time.Time { return w.windows[0].end.time().UTC() }
	w.Add(memory("a", start.Add(2*time.Hour), 500e6))
	require.Equal(t, start.Add(24*time.Hour), end())
	w.Add(memory("a", start.Add(24*time.Hour), 500e6))
	require.Equal(t, start.Add(25*time.Hour), end())
	w.SetRules("shop", DefaultOptions().Rules)
	w.Add(memory("a", start.Add(25*time.Hour), 500e6))
	require.Equal(t, start.Add(49*time.Hour), end())
	require.Equal(t, []string{"shop"}, w.Containers())
	w.SetRules("never seen", Rules{})
	require.Equal(t, []string{"shop"}, w.Containers(), "rules make no container")
}

func TestATimeThatCannotBeIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		at   time.Time
		want bool
	}{
		"no time":                         {time.Time{}, false},
		"1970 itself":                     {time.Unix(0, 0), false},
		"the first instant":               {time.Unix(0, 1), true},
		"2261":                            {time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC), true},
		"an interval too near to the end": {time.Unix(0, math.MaxInt64).Add(-time.Hour), false},
		"2300":                            {time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), false},
		"year 99999":                      {time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWorkload(DefaultOptions())
			require.Equal(t, tc.want, w.Add(memory("a", tc.at, 500e6)))
			_, ok := NewWorkload(DefaultOptions()).AddOOM(usage.Container{Name: "shop"}, 1, tc.at)
			require.Equal(t, tc.want, ok)
		})
	}
	w := NewWorkload(DefaultOptions())
	require.False(t, w.Add(memory("a", start, -1)), "nor is a negative amount taken")
	require.Empty(t, w.Containers(), "and it makes no container")
}

func TestContainersThatAreGoneLeaveTheirUsage(t *testing.T) {
	for name, forget := range map[string]func(*Workload){
		"forgotten":    func(w *Workload) { w.Forget("a"); w.Forget("never seen") },
		"not retained": func(w *Workload) { w.Retain(func(pod string) bool { return pod != "a" }) },
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWorkload(DefaultOptions())
			w.Add(memory("a", start, 500e6))
			w.Add(memory("b", start.Add(time.Minute), 500e6))
			forget(w)
			require.Equal(t, []string{"b"}, w.pods)
			require.Equal(t, start.Add(time.Minute).UnixNano(), int64(w.windows[0].lastMemory))
			require.Len(t, w.windows, 1)
			require.False(t, w.Aggregate("shop").MemoryPeaks.Empty())
		})
	}
}

func TestADroppedContainerLeavesNothing(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	for _, pod := range []string{"a", "b"} {
		for i, name := range []string{"app", "old", "proxy"} {
			w.Add(usage.Sample{Container: usage.Container{Pod: pod, Name: name}, Resource: usage.CPU, Time: start.Add(time.Duration(i) * time.Minute), Amount: 100})
		}
	}
	w.Drop("old")
	w.Drop("never seen")
	require.Equal(t, []string{"app", "proxy"}, w.Containers())
	require.Nil(t, w.Aggregate("old"))
	require.False(t, w.Aggregate("app").Empty())
	app, proxy := window{lastCPU: instant(start.UnixNano())}, window{lastCPU: instant(start.Add(2 * time.Minute).UnixNano())}
	require.Equal(t, []window{app, proxy, app, proxy}, w.windows)
}

func TestOptionsThatCannotBeUsedAreNamed(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	err := Options{CPUHalfLife: -time.Hour, MemoryHalfLife: time.Millisecond, Rules: Rules{OOMBumpUpRatio: math.NaN(), OOMMinBumpUp: -1}}.Validate()
	for _, want := range []string{"CPU half-life -1h0m0s", "memory half-life 1ms", "memory interval 0s", "OOM bump-up ratio NaN", "OOM minimum bump-up -1"} {
		require.ErrorContains(t, err, want)
	}
}
