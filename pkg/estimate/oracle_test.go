package estimate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// upstream is its recommender with the same options.
func upstream(o Options) logic.PodResourceRecommender {
	cpu, memory := o.Percentiles[usage.CPU], o.Percentiles[usage.Memory]
	return logic.CreatePodResourceRecommender(logic.RecommendationConfig{
		SafetyMarginFraction: o.Margin,
		PodMinCPUMillicores:  float64(o.PodMinimum[usage.CPU]), PodMinMemoryMb: float64(o.PodMinimum[usage.Memory] >> 20),
		TargetCPUPercentile: cpu.Target, LowerBoundCPUPercentile: cpu.LowerBound, UpperBoundCPUPercentile: cpu.UpperBound,
		TargetMemoryPercentile: memory.Target, LowerBoundMemoryPercentile: memory.LowerBound, UpperBoundMemoryPercentile: memory.UpperBound,
		ConfidenceIntervalCPU: o.ConfidenceInterval[usage.CPU], ConfidenceIntervalMemory: o.ConfidenceInterval[usage.Memory],
	})
}

func drawOptions(t *rapid.T) Options {
	o := DefaultOptions()
	if rapid.Bool().Draw(t, "defaults") {
		return o
	}
	p := rapid.Float64Range(0.01, 1)
	for r := range usage.Resources {
		o.Percentiles[r] = Percentiles{Target: p.Draw(t, "target"), LowerBound: p.Draw(t, "lower bound"), UpperBound: p.Draw(t, "upper bound")}
		o.ConfidenceInterval[r] = time.Duration(rapid.Int64Range(int64(time.Minute), int64(30*24*time.Hour)).Draw(t, "confidence"))
	}
	o.Margin = rapid.Float64Range(0, 2).Draw(t, "margin")
	o.PodMinimum = [2]usage.Amount{usage.Amount(rapid.IntRange(0, 4000).Draw(t, "minimum CPU")), usage.Amount(rapid.IntRange(0, 4000).Draw(t, "minimum MiB")) << 20}
	return o
}

func TestTheSameSamplesGiveUpstreamsEstimates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, containers := drawOptions(t), rapid.IntRange(1, 4).Draw(t, "containers")
		ours := aggregate.NewWorkload(aggregate.DefaultOptions())
		theirs := model.ContainerNameToAggregateStateMap{}
		for i := range containers {
			name := string(rune('a' + i))
			theirs[name] = model.NewAggregateContainerState()
			state := model.NewContainerState(nil, theirs[name])
			at := start
			for range rapid.IntRange(1, 50).Draw(t, "samples") {
				at = at.Add(time.Duration(rapid.Int64Range(1, int64(5*time.Hour)).Draw(t, "step")))
				for _, r := range usage.Resources {
					if rapid.IntRange(0, 5).Draw(t, "missing") == 0 {
						continue
					}
					s := usage.Sample{Container: usage.Container{Pod: "p", Name: name}, Resource: r, Time: at, Amount: drawAmount(t, r)}
					ours.Add(s)
					state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: model.ResourceAmount(s.Amount), Resource: model.ResourceName(r.String())})
				}
			}
		}
		want := upstream(o).GetRecommendedPodResources(theirs)
		for _, name := range ours.Containers() {
			got := Recommend(ours.Aggregate(name), o.Share(containers), o)
			for _, r := range usage.Resources {
				m := model.ResourceName(r.String())
				if !got[r].Known {
					require.Zero(t, theirs[name].AggregateCPUUsage.Percentile(1)*theirs[name].AggregateMemoryPeaks.Percentile(1))
					require.Zero(t, got[r], "upstream recommends the minimum")
					continue
				}
				require.EqualValues(t, want[name].Target[m], got[r].Target, "target %s", r)
				require.EqualValues(t, want[name].LowerBound[m], got[r].LowerBound, "lower bound %s", r)
				require.EqualValues(t, want[name].UpperBound[m], got[r].UpperBound, "upper bound %s", r)
			}
		}
	})
}

func drawAmount(t *rapid.T, r usage.Resource) usage.Amount {
	if r == usage.CPU {
		return usage.Amount(rapid.Int64Range(0, 64000).Draw(t, "millicores"))
	}
	return usage.Amount(rapid.Int64Range(1, 64<<30).Draw(t, "bytes"))
}

func TestNoSamplesGiveNoRecommendation(t *testing.T) {
	w := aggregate.NewWorkload(aggregate.DefaultOptions())
	require.NoError(t, w.Load("new", aggregate.Checkpoint{}))
	require.Zero(t, Recommend(w.Aggregate("new"), DefaultOptions().Share(1), DefaultOptions()), "upstream recommends the minimum here")
}

func TestTheMinimumIsSharedByThePodsContainers(t *testing.T) {
	w := aggregate.NewWorkload(aggregate.DefaultOptions())
	c := usage.Container{Pod: "p", Name: "idle"}
	w.Add(usage.Sample{Container: c, Resource: usage.CPU, Time: start, Amount: 1})
	w.Add(usage.Sample{Container: c, Resource: usage.Memory, Time: start, Amount: 1})
	rec := Recommend(w.Aggregate("idle"), DefaultOptions().Share(2), DefaultOptions())
	require.Equal(t, Estimate{Target: 12, LowerBound: 12, UpperBound: usage.MaxAmount, AtMinimum: true, Known: true}, rec[usage.CPU])
	require.EqualValues(t, 125<<20, rec[usage.Memory].Target)
}
