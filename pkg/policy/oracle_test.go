package policy

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/features"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/routines"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

const app = "app"

// TestRoundingAndBoundsAreUpstreams feeds the same estimates and policies to upstream's formatting and
// post-processors, in its recommender's order, and to ours.
func TestRoundingAndBoundsAreUpstreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vpa := &vpav1.VerticalPodAutoscaler{Spec: vpav1.VerticalPodAutoscalerSpec{ResourcePolicy: anyPolicy(t)}}
		if rapid.Bool().Draw(t, "annotated") {
			vpa.Annotations = map[string]string{"vpa-post-processor.kubernetes.io/app_integerCPU": rapid.SampledFrom([]string{"true", "false"}).Draw(t, "whole")}
		}
		rounding := Rounding{usage.Amount(rapid.IntRange(0, 3000).Draw(t, "cpu unit")), usage.Amount(rapid.IntRange(0, 1<<30).Draw(t, "memory unit"))}
		enabled, global := rapid.Bool().Draw(t, "whole CPUs enabled"), anyList(t, "global")
		var values [3][2]usage.Amount // target, lower bound, upper bound
		for i := range values {
			values[i] = [2]usage.Amount{anyValue(64_000).Draw(t, "cpu"), anyValue(1<<38).Draw(t, "memory")}
		}

		theirs := upstream(vpa, values, rounding, enabled, global)
		ours := ForContainer(vpa.Spec.ResourcePolicy, app).
			Compile(Global{MaxAllowed: global}, rounding, enabled && IntegerCPU(vpa.Annotations, app))
		for _, r := range usage.Resources {
			for i, list := range []corev1.ResourceList{theirs.Target, theirs.LowerBound, theirs.UpperBound} {
				uncapped, capped, bound := ours.Apply(r, values[i][r])
				same(t, r, list, capped)
				if i == 0 {
					same(t, r, theirs.UncappedTarget, uncapped)
				}
				if bound == "" && capped != uncapped {
					t.Fatalf("%s %d became %d, bound by nothing", r, uncapped, capped)
				}
			}
		}
	})
}

// exactly is up to where upstream, which computes thousandths of a byte in float64, does so exactly.
const exactly = 1 << 53 / 1000

func TestUsageRulesAreUpstreams(t *testing.T) {
	require.NoError(t, features.MutableFeatureGate.Set("PerVPAConfig=true"))
	rapid.Check(t, func(t *rapid.T) {
		policy := vpav1.ContainerResourcePolicy{ContainerName: app}
		if rapid.Bool().Draw(t, "has time") {
			policy.MemoryAggregationIntervalSeconds = ptr(rapid.Int32Range(1, math.MaxInt32).Draw(t, "seconds"))
		}
		if rapid.Bool().Draw(t, "has count") {
			policy.MemoryAggregationIntervalCount = ptr(rapid.Int64Range(1, 1000).Draw(t, "count"))
		}
		if rapid.Bool().Draw(t, "has ratio") {
			policy.OOMBumpUpRatio = resource.NewScaledQuantity(rapid.Int64Range(1e6, 1e9).Draw(t, "millionths"), resource.Micro)
		}
		if rapid.Bool().Draw(t, "has bump") {
			policy.OOMMinBumpUp = resource.NewQuantity(rapid.Int64Range(0, exactly).Draw(t, "bytes"), resource.BinarySI)
		}
		theirs := model.NewAggregateContainerState()
		theirs.UpdateFromPolicy(&policy)
		ours := ForContainer(&vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{policy}}, app).UsageRules(defaults)
		require.Equal(t, UsageRules{theirs.MemoryAggregationIntervalDuration, theirs.MemoryAggregationIntervalCount, theirs.OOMBumpUpRatio, usage.Amount(theirs.OOMMinBumpUp)}, ours)
	})
}

// upstream is its recommender from the estimate on.
func upstream(vpa *vpav1.VerticalPodAutoscaler, values [3][2]usage.Amount, rounding Rounding, whole bool, global corev1.ResourceList) vpav1.RecommendedContainerResources {
	resources := func(v [2]usage.Amount) model.Resources {
		return model.Resources{model.ResourceCPU: model.ResourceAmount(v[0]), model.ResourceMemory: model.ResourceAmount(v[1])}
	}
	rec := logic.MapToListOfRecommendedContainerResources(logic.RecommendedPodResources{app: {
		Target: resources(values[0]), LowerBound: resources(values[1]), UpperBound: resources(values[2]),
	}}, logic.RecommendationFormat{RoundCPUMillicores: int(rounding[usage.CPU]), RoundMemoryBytes: int(rounding[usage.Memory])})
	if whole {
		rec = (&routines.IntegerCPUPostProcessor{}).Process(vpa, rec)
	}
	rec = routines.NewCappingRecommendationProcessor(global).Process(vpa, rec)
	return rec.ContainerRecommendations[0]
}

// same fails unless list has amount of r. Upstream publishes bounds as they are written: fractions, negative
// ones, and those beyond what an amount can be.
func same(t *rapid.T, r usage.Resource, list corev1.ResourceList, amount usage.Amount) {
	q, scale := list[corev1.ResourceName(r.String())], resource.Scale(0)
	if r == usage.CPU {
		scale = resource.Milli
	}
	if q.Cmp(*resource.NewScaledQuantity(2*int64(usage.MaxAmount), scale)) >= 0 {
		if amount < usage.MaxAmount {
			t.Fatalf("%s: %d, upstream has more than there is: %s", r, amount, q.String())
		}
		return
	}
	if want := usage.Amount(max(0, q.ScaledValue(scale))); amount != want {
		t.Fatalf("%s: %d, upstream has %s", r, amount, q.String())
	}
}

func anyPolicy(t *rapid.T) *vpav1.PodResourcePolicy {
	policy := func(name string) vpav1.ContainerResourcePolicy {
		return vpav1.ContainerResourcePolicy{ContainerName: name, MinAllowed: anyList(t, name+" min"), MaxAllowed: anyList(t, name+" max")}
	}
	switch rapid.IntRange(0, 3).Draw(t, "policy") {
	case 0:
		return nil
	case 1:
		return &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{policy("*")}}
	default:
		return &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{policy("*"), policy(app)}}
	}
}

// anyValue draws what an estimate can be: now and then nothing, or all there is.
func anyValue(common int64) *rapid.Generator[usage.Amount] {
	return rapid.Custom(func(t *rapid.T) usage.Amount {
		return usage.Amount(rapid.OneOf(rapid.Int64Range(0, common), rapid.Int64Range(0, int64(usage.MaxAmount)), rapid.Just(int64(usage.MaxAmount))).Draw(t, "value"))
	})
}
