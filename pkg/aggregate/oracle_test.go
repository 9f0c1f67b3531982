package aggregate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/upstreamtest"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// event is one thing that happens to a container.
type event struct {
	what      string // cpu, memory, oom, rules or gone
	container usage.Container
	at        time.Time
	amount    usage.Amount // of usage, or the request of one that was killed
	rules     Rules
}

var (
	steps = []time.Duration{
		-30 * time.Hour, -time.Minute, 0, 0, 300 * time.Millisecond, time.Minute, 7 * time.Minute,
		9 * time.Hour, 24 * time.Hour, 50 * time.Hour, 120 * 24 * time.Hour,
	}
	intervals = []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 31 * time.Hour}
)

// drawEvents draws what happens to a few containers of a few pods: gaps, duplicates, clocks that go back, usage of none and
// of more than there can be.
func drawEvents(t *rapid.T, label string) []event {
	at := start
	draw := rapid.Custom(func(t *rapid.T) event {
		at = at.Add(rapid.SampledFrom(steps).Draw(t, "step"))
		return event{
			what: rapid.SampledFrom([]string{"cpu", "cpu", "memory", "memory", "memory", "oom", "rules", "gone"}).Draw(t, "what"),
			at:   at,
			container: usage.Container{
				Namespace: "store", Pod: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "pod"),
				Name: rapid.SampledFrom([]string{"app", "proxy"}).Draw(t, "container"),
			},
			amount: usage.Amount(rapid.OneOf(rapid.Int64Range(-1, 4), rapid.Int64Range(1e7, 1<<33), rapid.Int64Range(1e13, 2e14)).Draw(t, "amount")),
			rules: Rules{
				MemoryInterval: rapid.SampledFrom(intervals).Draw(t, "interval"),
				OOMBumpUpRatio: rapid.Float64Range(1, 3).Draw(t, "ratio"), OOMMinBumpUp: usage.Amount(rapid.Int64Range(0, 1<<30).Draw(t, "bump")),
			},
		}
	})
	return rapid.SliceOfN(draw, 1, 120).Draw(t, label)
}

// apply tells w of the event and returns whether it counted, and as how much.
func (e event) apply(w *Workload) (usage.Amount, bool) {
	switch e.what {
	case "oom":
		return w.AddOOM(e.container, e.amount, e.at)
	case "rules":
		w.SetRules(e.container.Name, e.rules)
	case "gone":
		w.Forget(e.container.Pod)
	default:
		return e.amount, w.Add(e.sample())
	}
	return 0, true
}

func (e event) sample() usage.Sample {
	r := usage.CPU
	if e.what == "memory" {
		r = usage.Memory
	}
	return usage.Sample{Container: e.container, Resource: r, Time: e.at, Amount: e.amount}
}

// applyTo tells upstream of the event and returns whether it counted.
func (e event) applyTo(w *upstreamtest.Workload) bool {
	switch e.what {
	case "oom":
		return w.AddOOM(e.container, e.amount, e.at)
	case "rules":
		w.SetRules(e.container.Name, e.rules.MemoryInterval, e.rules.OOMBumpUpRatio, e.rules.OOMMinBumpUp)
	case "gone":
		w.Forget(e.container.Pod)
	default:
		return w.Add(e.sample())
	}
	return true
}

func TestWhatHappensMakesUpstreamsAggregates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours, theirs := NewWorkload(DefaultOptions()), upstreamtest.NewWorkload()
		var now time.Time
		for _, e := range drawEvents(t, "events") {
			_, counted := e.apply(ours)
			require.Equal(t, e.applyTo(theirs), counted, "%+v", e)
			now = e.at
		}
		for _, name := range ours.Containers() {
			a, u := ours.Aggregate(name), theirs.Aggregate(name)
			require.Equal(t, u.TotalSamplesCount, a.Samples())
			require.True(t, u.FirstSampleStart.Equal(a.First()))
			require.True(t, u.LastSampleStart.Equal(a.Last()))
			for _, p := range []float64{0.01, 0.5, 0.9, 0.95, 1} {
				require.Equal(t, u.AggregateCPUUsage.Percentile(p), a.CPU.Percentile(p), "cpu p%v", p)
				require.Equal(t, u.AggregateMemoryPeaks.Percentile(p), a.MemoryPeaks.Percentile(p), "memory p%v", p)
			}
			requireSavedAlike(t, theirs.Save(name, now), ours, name, now)
			requireSavedAlike(t, theirs.Save(name, now.Add(-time.Hour)), ours, name, now.Add(-time.Hour))
		}
	})
}

// requireSavedAlike compares what both would store of a container.
func requireSavedAlike(t require.TestingT, theirs *model.AggregateContainerState, w *Workload, name string, now time.Time) {
	want, err := theirs.SaveToCheckpoint()
	require.NoError(t, err)
	got, ok := w.Save(name, now)
	require.True(t, ok)
	require.Equal(t, want.TotalSamplesCount, got.Samples)
	require.Equal(t, want.FirstSampleStart.Unix(), got.First.Unix())
	require.Equal(t, want.LastSampleStart.Unix(), got.Last.Unix())
	require.Equal(t, want.CPUHistogram.BucketWeights, got.CPU.Weights)
	require.Equal(t, want.CPUHistogram.TotalWeight, got.CPU.Total)
	require.True(t, want.CPUHistogram.ReferenceTimestamp.Time.Equal(got.CPU.Reference))
	require.Equal(t, want.MemoryHistogram.BucketWeights, got.Memory.Weights)
	require.Equal(t, want.MemoryHistogram.TotalWeight, got.Memory.Total)
	require.True(t, want.MemoryHistogram.ReferenceTimestamp.Time.Equal(got.Memory.Reference))
}
