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

func upstream() logic.PodResourceRecommender {
	return logic.CreatePodResourceRecommender(logic.RecommendationConfig{
		SafetyMarginFraction: 0.15, PodMinCPUMillicores: 25, PodMinMemoryMb: 250,
		TargetCPUPercentile: 0.9, LowerBoundCPUPercentile: 0.5, UpperBoundCPUPercentile: 0.95, ConfidenceIntervalCPU: 24 * time.Hour,
		TargetMemoryPercentile: 0.9, LowerBoundMemoryPercentile: 0.5, UpperBoundMemoryPercentile: 0.95, ConfidenceIntervalMemory: 24 * time.Hour,
	})
}

func TestTheSameSamplesGiveUpstreamsEstimates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		containers := rapid.IntRange(1, 4).Draw(t, "containers")
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
					s := usage.Sample{Container: usage.Container{Pod: "p", Name: name}, Resource: r, Time: at, Amount: drawAmount(t, r)}
					ours.Add(s)
					state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: model.ResourceAmount(s.Amount), Resource: model.ResourceName(r.String())})
				}
			}
		}
		want := upstream().GetRecommendedPodResources(theirs)
		for _, name := range ours.Containers() {
			got := Recommend(ours.Aggregate(name), DefaultOptions().Share(containers), DefaultOptions())
			for _, r := range usage.Resources {
				m := model.ResourceName(r.String())
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
	require.Zero(t, Recommend(aggregate.New(aggregate.DefaultOptions()), DefaultOptions().Share(1), DefaultOptions()), "upstream recommends the minimum here")
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
