package aggregate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// draw gives samples of a few pods of one container in the order of time, with gaps, duplicates and
// samples out of order.
func draw(t *rapid.T) []usage.Sample {
	at := start
	var samples []usage.Sample
	for range rapid.IntRange(0, 120).Draw(t, "samples") {
		step := rapid.SampledFrom([]time.Duration{-time.Minute, 0, time.Minute, 7 * time.Minute, 9 * time.Hour, 50 * time.Hour}).Draw(t, "step")
		at = at.Add(step)
		samples = append(samples, usage.Sample{
			Container: usage.Container{Namespace: "store", Pod: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "pod"), Name: "shop"},
			Resource:  rapid.SampledFrom(usage.Resources[:]).Draw(t, "resource"),
			Time:      at,
			Amount:    usage.Amount(rapid.Int64Range(-1, 1<<33).Draw(t, "amount")),
		})
	}
	return samples
}

func TestTheSameSamplesGiveUpstreamsAggregates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours := NewWorkload(DefaultOptions())
		theirs := model.NewAggregateContainerState()
		pods := map[string]*model.ContainerState{}
		for _, s := range draw(t) {
			if pods[s.Container.Pod] == nil {
				pods[s.Container.Pod] = model.NewContainerState(nil, theirs)
			}
			counted := pods[s.Container.Pod].AddSample(&model.ContainerUsageSample{
				MeasureStart: s.Time, Usage: model.ResourceAmount(s.Amount), Resource: model.ResourceName(s.Resource.String()),
			})
			require.Equal(t, counted, ours.Add(s))
		}
		a := ours.Aggregate("shop")
		if a == nil {
			return
		}
		require.Equal(t, theirs.TotalSamplesCount, a.Samples())
		require.True(t, theirs.FirstSampleStart.Equal(a.First()))
		require.True(t, theirs.LastSampleStart.Equal(a.Last()))
		for _, p := range []float64{0.01, 0.5, 0.9, 0.95, 1} {
			require.Equal(t, theirs.AggregateCPUUsage.Percentile(p), a.CPU.Percentile(p), "cpu p%v", p)
			require.Equal(t, theirs.AggregateMemoryPeaks.Percentile(p), a.MemoryPeaks.Percentile(p), "memory p%v", p)
		}
	})
}
