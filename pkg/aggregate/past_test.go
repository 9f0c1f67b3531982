package aggregate

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

func TestAveragesCountAsSamplesDoInWhateverOrderTheyCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		averages := rapid.SliceOfN(rapid.Int32Range(-1, 4000), 1, 200).Draw(t, "averages")
		cut := rapid.IntRange(0, len(averages)).Draw(t, "cut")
		from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

		live := NewWorkload(DefaultOptions())
		for i, a := range averages {
			if a >= 0 {
				live.Add(usage.Sample{Container: usage.Container{Pod: "p", Name: "app"}, Time: from.Add(time.Duration(i) * time.Minute), Amount: usage.Amount(a)})
			}
		}
		past := NewWorkload(DefaultOptions())
		counted := past.AddCPU("app", from.Add(time.Duration(cut)*time.Minute), time.Minute, averages[cut:])
		counted += past.AddCPU("app", from, time.Minute, averages[:cut])

		if live.Aggregate("app") == nil {
			require.Zero(t, counted)
			require.Nil(t, past.Aggregate("app"), "nothing known is nothing seen")
			return
		}
		a, b := live.Aggregate("app"), past.Aggregate("app")
		require.Equal(t, a.Samples(), counted)
		require.Equal(t, a.Samples(), b.Samples())
		require.Equal(t, a.First(), b.First())
		require.Equal(t, a.Last(), b.Last())
		for _, p := range []float64{0.5, 0.9, 0.95, 1} {
			require.Equal(t, a.CPU.Percentile(p), b.CPU.Percentile(p))
		}
	})
}

func TestAPastIsSeenBesideTheOwnAndNeitherChanges(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	fill := func(from time.Time, name string) *Workload {
		w := NewWorkload(DefaultOptions())
		values := make([]int32, 100)
		for i := range values {
			values[i] = rand.Int32N(2000)
		}
		w.AddCPU(name, from, time.Minute, values)
		w.Add(usage.Sample{Container: usage.Container{Pod: "p", Name: name}, Resource: usage.Memory, Time: from, Amount: 1e9})
		return w
	}
	past, own := fill(from, "app"), fill(from.Add(3*time.Hour), "app")
	before, pastBefore := own.Clone(), past.Clone()
	both := own.With(past, "app")
	require.Equal(t, 200, both.Samples())
	require.Equal(t, from, both.First().UTC())
	require.Equal(t, before, own)
	require.Equal(t, pastBefore, past)

	joined := own.Clone()
	joined.AddHistory(past.Clone())
	require.Equal(t, joined.Aggregate("app").CPU.Percentile(0.9), both.CPU.Percentile(0.9))
	require.Equal(t, before, own, "a clone's changes are its own")

	require.Equal(t, past.Aggregate("app"), NewWorkload(DefaultOptions()).With(past, "app"))
	require.Equal(t, own.Aggregate("app"), own.With(NewWorkload(DefaultOptions()), "app"))
	require.Nil(t, own.With(past, "sidecar"))
}
