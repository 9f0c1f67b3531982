package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// TestWhatWasPatchedIsPutBackWhereASidecarLeavesRoomForNothingElse patches a pod, adds a container to it as another webhook
// does, and decides again.
func TestWhatWasPatchedIsPutBackWhereASidecarLeavesRoomForNothingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		declared       corev1.Container
		want, most     corev1.ResourceList
		level, mesh    corev1.ResourceList
		first, again   string
		back, becoming string
	}{
		"what was declared": {
			declared: container(app, list("", "1Gi"), list("", "1Gi")), want: list("", "2Gi"), most: list("", "2Gi"), mesh: list("", "1Gi"),
			first: "cpu -/-, memory 2Gi/2Gi", again: "cpu -/-, memory -/-", back: "cpu -/-, memory 1Gi/1Gi", becoming: "cpu -/-, memory 1Gi/1Gi",
		},
		"there is room for something": {
			declared: container(app, list("1", ""), list("1", "")), want: list("2", ""), most: list("2", ""), mesh: list("500m", ""),
			first: "cpu 2/2, memory -/-", again: "cpu 1500m/1500m, memory -/-", back: "cpu -/-, memory -/-", becoming: "cpu 1500m/1500m, memory -/-",
		},
		"nothing was declared": {
			declared: container(app, nil, nil), want: list("2", ""), level: list("2", ""), mesh: list("2", ""),
			first: "cpu 2/-, memory -/-", again: "cpu -/-, memory -/-", back: "cpu -/-, memory -/-", becoming: "cpu -/-, memory -/-",
		},
		"it would not help": {
			declared: container(app, list("1", ""), list("1", "")), want: list("2", ""), most: list("2", ""), mesh: list("3", ""),
			first: "cpu 2/2, memory -/-", again: "cpu -/-, memory -/-", back: "cpu -/-, memory -/-", becoming: "cpu 2/2, memory -/-",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(tc.declared)
			if tc.level != nil {
				pod.Spec.Resources = &corev1.ResourceRequirements{Requests: tc.level}
			}
			var ranges []*corev1.LimitRange
			if tc.most != nil {
				ranges = append(ranges, &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: tc.most}}}})
			}
			vpa := vpaOf(tc.want, vpav1.ContainerResourcePolicy{})
			merged := RangesOf(ranges)
			rules := RulesOf(vpa, vpa.Status.Recommendation, byDefault)
			review := func(pod *corev1.Pod) (*corev1.Pod, Decision) {
				asking := PodOf(pod, merged)
				d := Decide(&asking, rules, merged)
				return patch(pod, &asking, d), d
			}
			patched, first := review(pod)
			require.Equal(t, tc.first, told(first)[0])

			patched.Spec.Containers = append(patched.Spec.Containers, container("mesh", tc.mesh, tc.mesh))
			with, again := review(patched)
			require.Equal(t, tc.again, told(again)[0])
			require.Equal(t, tc.back, toldOf(&Outcome{Resources: again.Containers[0].Back}))
			require.Equal(t, tc.becoming, toldOf(&Outcome{Resources: ResourcesOf(with.Spec.Containers[0].Resources)}))

			twice, third := review(with)
			require.Equal(t, told(again), told(third))
			require.Equal(t, with, twice)
		})
	}
}

// TestNothingIsPutBackInContainersThatNothingIsRecommendedFor is about a template that was copied from a live pod, with
// what the webhook recorded of that, and edited since.
func TestNothingIsPutBackInContainersThatNothingIsRecommendedFor(t *testing.T) {
	pod := podOf(container(app, list("100m", ""), nil), container("other", list("8", ""), nil))
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: list("1", "")}
	pod.Annotations = patched(`{"app":{"requests":{"cpu":"100m"}},"other":{"requests":{"cpu":"100m"}}}`)
	got := decide(pod, vpaOf(list("200m", ""), vpav1.ContainerResourcePolicy{}), byDefault)
	require.Equal(t, []Outcome{{}, {}}, got.Containers)
}

// TestWhatAPodWithResourcesOfItsOwnDoesNotAskForIsLeftAlone is about pods that limit their CPU as a whole. When one comes
// back with memory requests, the API server makes their sum the pod's own, and a sidecar added later has no room.
func TestWhatAPodWithResourcesOfItsOwnDoesNotAskForIsLeftAlone(t *testing.T) {
	pod := podOf(container(app, list("1", ""), list("1", "")))
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: list("1", ""), Limits: list("1", "")}
	got := decide(pod, vpaOf(list("500m", "2Mi"), vpav1.ContainerResourcePolicy{}), byDefault)
	require.Equal(t, []string{"cpu 500m/1, memory -/-"}, told(got))
	require.Equal(t, []string{"memory left as declared: no request near 2Mi is legal with the pod's own resources (spec.resources)"}, warnings(got))
}

// TestThePodsOwnRequestIsNoReasonWhereItMayFollowTheContainers decides on a pod that limits its CPU as a whole. When it
// comes back its own memory request is the sum of the containers', by the API server's defaults.
func TestThePodsOwnRequestIsNoReasonWhereItMayFollowTheContainers(t *testing.T) {
	pod := podOf(container(app, list("1", "32Mi"), list("1", "")))
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: list("1", ""), Limits: list("1", "")}
	least := &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Min: list("", "17Mi")}}}}
	vpa := vpaOf(list("", "2Mi"), vpav1.ContainerResourcePolicy{})
	require.Equal(t, []string{"cpu -/-, memory 17Mi/-"}, told(decide(pod, vpa, byDefault, least)))

	pod.Spec.Resources.Requests = list("1", "17Mi")
	require.Equal(t, []string{"cpu -/-, memory 17Mi/-"}, told(decide(pod, vpa, byDefault, least)))

	pod.Spec.Resources.Limits = list("1", "1Gi")
	require.Equal(t, []string{"cpu -/-, memory 2Mi/-"}, told(decide(pod, vpa, byDefault, least)), "what is limited has a request of its own")
}
