package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/policy/policytest"
)

func TestDecideTakesTheRecommendationThroughPolicyAndLimits(t *testing.T) {
	shop := container(app, list("100m", "512Mi"), list("2", "1Gi"))
	for name, tc := range map[string]struct {
		declared corev1.Container
		target   corev1.ResourceList
		policy   vpav1.ContainerResourcePolicy
		want     string
		warnings []string
	}{
		"declared limits are large enough": {
			declared: shop, target: list("587m", "400Mi"), want: "cpu 587m/2, memory 400Mi/1Gi",
		},
		"limits make room for twice the request": {
			declared: shop, target: list("1200m", "700Mi"), want: "cpu 1200m/3, memory 700Mi/1400Mi",
		},
		"undeclared limits are never added": {
			declared: container(app, list("100m", "512Mi"), list("", "1Gi")), target: list("1200m", "700Mi"), want: "cpu 1200m/-, memory 700Mi/1400Mi",
		},
		"no recommendation, no decision": {declared: shop, want: "cpu -/-, memory -/-"},
		"only what is recommended":       {declared: shop, target: list("", "700Mi"), want: "cpu -/-, memory 700Mi/1400Mi"},
		"mode Off despite a stale status": {
			declared: shop, target: list("1", "1Gi"), policy: vpav1.ContainerResourcePolicy{Mode: &off}, want: "cpu -/-, memory -/-",
		},
		"an uncontrolled resource is untouched": {
			declared: shop, target: list("1200m", "700Mi"),
			policy: vpav1.ContainerResourcePolicy{ControlledResources: &[]corev1.ResourceName{"memory"}}, want: "cpu -/-, memory 700Mi/1400Mi",
		},
		"capped": {
			declared: shop, target: list("10", "100Mi"),
			policy: vpav1.ContainerResourcePolicy{MinAllowed: list("", "512Mi"), MaxAllowed: list("4", "")}, want: "cpu 4/8, memory 512Mi/1Gi",
			warnings: []string{"cpu: recommended 10, bounded by maxAllowed 4", "memory: recommended 100Mi, bounded by minAllowed 512Mi"},
		},
		"bounds of zero do not bind": {
			declared: shop, target: list("1200m", ""), policy: vpav1.ContainerResourcePolicy{MinAllowed: list("0", ""), MaxAllowed: list("0", "")},
			want: "cpu 1200m/3, memory -/-",
		},
		"max wins over min": {
			declared: shop, target: list("2", ""), policy: vpav1.ContainerResourcePolicy{MinAllowed: list("3", ""), MaxAllowed: list("1", "")},
			want: "cpu 1/2, memory -/-", warnings: []string{"cpu: capped to maxAllowed 1, which is below minAllowed"},
		},
		"requests only leave limits alone": {
			declared: shop, target: list("1200m", "400Mi"), policy: vpav1.ContainerResourcePolicy{ControlledValues: &requestsOnly},
			want: "cpu 1200m/-, memory 400Mi/-",
		},
		"requests only end at the limit": {
			declared: shop, target: list("3", "2Gi"), policy: vpav1.ContainerResourcePolicy{ControlledValues: &requestsOnly},
			want:     "cpu 2/-, memory 1Gi/-",
			warnings: []string{"cpu: request 3 lowered to the limit 2", "memory: request 2Gi lowered to the limit 1Gi"},
		},
		"a limit of zero is nothing to lower to": {
			declared: container(app, nil, list("0", "")), target: list("1", ""), policy: vpav1.ContainerResourcePolicy{ControlledValues: &requestsOnly},
			want: "cpu -/-, memory -/-", warnings: []string{"cpu left as declared: request 1 would exceed the limit 0"},
		},
		"an insane declared limit": {
			declared: container(app, nil, list("9E", "")), target: list("1", ""), want: "cpu -/-, memory -/-",
			warnings: []string{"cpu left as declared: no sane limit follows from declared limit an absurd amount and request 1"},
		},
		"fractions of a milli-CPU are rounded up": {
			declared: shop, target: list("1500500u", ""), want: "cpu 1501m/4, memory -/-",
		},
		"a limit beyond all machines is none": {
			declared: shop, target: list("1001", ""), want: "cpu -/-, memory -/-",
			warnings: []string{"cpu left as declared: no sane limit follows from declared limit 2 and request 1001"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(podOf(tc.declared), vpaOf(tc.target, tc.policy), byDefault)
			require.Equal(t, []string{tc.want}, told(got))
			require.Equal(t, tc.warnings, warnings(got))
		})
	}
}

func TestAGuaranteedPodStaysGuaranteed(t *testing.T) {
	for name, tc := range map[string]struct {
		declared, target, max, want string
		warnings                    []string
	}{
		"whole CPUs stay whole":            {"2", "1200m", "", "2", nil},
		"the limit may end below declared": {"8", "1200m", "", "2", nil},
		"fractions stay fractions":         {"1500m", "700m", "", "700m", nil},
		"down to whole under maxAllowed":   {"2", "2100m", "2500m", "2", nil},
		"no whole CPU fits": {"1", "300m", "500m", "-", []string{
			"cpu left as declared: no whole CPU fits under 500m",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(container(app, list(tc.declared, "1Gi"), list(tc.declared, "1Gi")))
			got := decide(pod, vpaOf(list(tc.target, "1500M"), vpav1.ContainerResourcePolicy{MaxAllowed: list(tc.max, "")}), byDefault)
			require.Equal(t, []string{"cpu " + tc.want + "/" + tc.want + ", memory 1500M/1500M"}, told(got))
			require.Equal(t, tc.warnings, warnings(got))
		})
	}
}

func TestWhatWouldTakeGuaranteedFromAPodIsSkipped(t *testing.T) {
	pod := podOf(container(app, list("1", "1Gi"), list("1", "1Gi")))
	for name, vpa := range map[string]*vpav1.VerticalPodAutoscaler{
		"requests only": vpaOf(list("500m", "500Mi"), vpav1.ContainerResourcePolicy{ControlledValues: &requestsOnly}),
		"limits stay":   annotated(vpaOf(list("500m", "500Mi"), vpav1.ContainerResourcePolicy{}), CPULimitAnnotation, "none", MemoryLimitAnnotation, "none"),
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(pod, vpa, byDefault)
			require.Equal(t, []string{"cpu -/-, memory -/-"}, told(got))
			require.Len(t, got.Steps, 2)
			require.Equal(t, ByGuaranteed, got.Steps[0].Reason)
			require.True(t, got.Steps[0].Skipped)
		})
	}
}

func annotated(vpa *vpav1.VerticalPodAutoscaler, pairs ...string) *vpav1.VerticalPodAutoscaler {
	vpa.Annotations = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		vpa.Annotations[pairs[i]] = pairs[i+1]
	}
	return vpa
}

func TestHostileAmountsSkipTheResource(t *testing.T) {
	pod := podOf(container(app, list("100m", "512Mi"), list("2", "1Gi")))
	for _, bad := range append(policytest.Hostile, "1e1000000000") {
		got := decide(pod, vpaOf(list(bad, "700Mi"), vpav1.ContainerResourcePolicy{}), byDefault)
		require.Equal(t, []string{"cpu -/-, memory 700Mi/1400Mi"}, told(got), "recommended %s", bad)
		require.Len(t, warnings(got), 1)
		require.Equal(t, ByAbsurdity, got.Steps[0].Reason)
	}
	for bad, bounds := range map[string]vpav1.ContainerResourcePolicy{
		"maxAllowed -1": {MaxAllowed: list("-1", "")},
		"maxAllowed 1n": {MaxAllowed: list("1n", "")},
		"minAllowed 9E": {MinAllowed: list("9E", "")},
	} {
		got := decide(pod, vpaOf(list("1", ""), bounds), byDefault)
		require.Equal(t, []string{"cpu left as declared: " + bad + " is no sane amount"}, warnings(got))
	}
	got := decide(pod, vpaOf(list("1", ""), vpav1.ContainerResourcePolicy{MinAllowed: list("9E", ""), MaxAllowed: list("3", "")}), byDefault)
	require.Equal(t, []string{"cpu 3/6, memory -/-"}, told(got), "the minimum is absurd, but the maximum wins")
}

func TestTheFirstRecommendationOfANameCounts(t *testing.T) {
	vpa := vpaOf(list("1", ""), vpav1.ContainerResourcePolicy{})
	vpa.Status.Recommendation.ContainerRecommendations = append(vpa.Status.Recommendation.ContainerRecommendations,
		vpav1.RecommendedContainerResources{ContainerName: app, Target: list("2", "")},
		vpav1.RecommendedContainerResources{ContainerName: "absent", Target: list("2", "")})
	require.Equal(t, []string{"cpu 1/-, memory -/-"}, told(decide(podOf(container(app, nil, nil)), vpa, byDefault)))
	vpa.Status.Recommendation = nil
	require.Equal(t, []string{"cpu -/-, memory -/-"}, told(decide(podOf(container(app, nil, nil)), vpa, byDefault)))
}

func TestAVPAInModeOffChangesNothing(t *testing.T) {
	vpa := vpaOf(list("1", "1Gi"), vpav1.ContainerResourcePolicy{})
	vpa.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: ptr(vpav1.UpdateModeOff)}
	require.Equal(t, []string{"cpu -/-, memory -/-"}, told(decide(podOf(container(app, nil, nil)), vpa, byDefault)))
}

func TestRequestsStayAtOrAboveTheDeclaredOnesWhereThatIsAskedFor(t *testing.T) {
	floors := byDefault
	floors.FloorRequests = true
	pod := func() *corev1.Pod { return podOf(container(app, list("300m", "512Mi"), list("2", "1Gi"))) }
	vpa := func() *vpav1.VerticalPodAutoscaler {
		return vpaOf(list("100m", "700Mi"), vpav1.ContainerResourcePolicy{MaxAllowed: list("200m", "")})
	}
	const floored, free = "cpu 300m/2, memory 700Mi/1400Mi", "cpu 100m/2, memory 700Mi/1400Mi"
	require.Equal(t, []string{floored}, told(decide(pod(), vpa(), floors)), "maxAllowed does not take it away")
	require.Empty(t, warnings(decide(pod(), vpa(), floors)), "it is what was asked for")
	require.Equal(t, []string{floored}, told(decide(pod(), annotated(vpa(), FloorAnnotation, "declared"), byDefault)))
	require.Equal(t, []string{free}, told(decide(pod(), annotated(vpa(), FloorAnnotation, "none"), floors)))
	require.Equal(t, []string{floored}, told(decide(pod(), annotated(vpa(), FloorAnnotation, "Declared"), floors)), "the cluster's, where the VPA's makes no sense")

	defaulted := pod()
	defaulted.Annotations = map[string]string{LimitRangerAnnotation: "LimitRanger plugin set: cpu request for container app"}
	asking := PodOf(defaulted, nil)
	got := Decide(&asking, RulesOf(vpa(), vpa().Status.Recommendation, floors), nil)
	require.Equal(t, []string{free}, told(got), "a request that was only defaulted is no floor")
}
