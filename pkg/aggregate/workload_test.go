package aggregate

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

func memory(pod string, at time.Time, amount usage.Amount) usage.Sample {
	return usage.Sample{Container: usage.Container{Namespace: "store", Pod: pod, Name: "shop"}, Resource: usage.Memory, Time: at, Amount: amount}
}

func TestHistoryAndLiveGiveWhatOneStreamGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := draw(t)
		slices.SortStableFunc(samples, func(a, b usage.Sample) int { return a.Time.Compare(b.Time) })
		whole, live, history := NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions()), NewWorkload(DefaultOptions())
		cut := start.Add(time.Duration(rapid.Int64Range(0, int64(10*24*time.Hour)).Draw(t, "cut")))
		for _, s := range samples {
			if s.Resource != usage.CPU {
				continue // a memory interval that is cut is anchored anew; see the tests below
			}
			whole.Add(s)
			if s.Time.Before(cut) {
				history.Add(s)
			} else {
				live.Add(s)
			}
		}
		live.AddHistory(history)
		require.Equal(t, whole.Containers(), live.Containers())
		for _, name := range whole.Containers() {
			a, b := whole.Aggregate(name), live.Aggregate(name)
			require.Equal(t, a.Samples(), b.Samples())
			require.Equal(t, a.First(), b.First())
			require.Equal(t, a.Last(), b.Last())
			require.InDelta(t, a.CPU.Percentile(0.9), b.CPU.Percentile(0.9), 1e-9)
		}
	})
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

func TestContainersThatAreGoneLeaveTheirUsage(t *testing.T) {
	w := NewWorkload(DefaultOptions())
	w.Add(memory("a", start, 500e6))
	w.Retain(func(usage.Container) bool { return false })
	require.False(t, w.Aggregate("shop").MemoryPeaks.Empty())
	require.Empty(t, w.pods)
}
