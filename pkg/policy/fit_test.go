package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

func TestWhatAPodMayNotHaveIsSharedByItsContainers(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	two := func() *corev1.Pod {
		return podOf(container("shop", list("1", ""), list("2", "")), container("proxy", list("500m", ""), list("1", "")))
	}
	with := func(change func(*corev1.Pod)) *corev1.Pod {
		pod := two()
		change(pod)
		return pod
	}
	for name, tc := range map[string]struct {
		pod      *corev1.Pod
		targets  []string
		item     corev1.LimitRangeItem
		limits   string
		floor    string
		want     []string
		warnings []string
	}{
		"limits lose their room": {
			pod: two(), targets: []string{"3", "500m"}, item: corev1.LimitRangeItem{Max: list("5", "")},
			want:     []string{"cpu 3/4", "cpu 500m/1"},
			warnings: []string{"cpu: limit 6 lowered to 4 by the LimitRange's max for pods"},
		},
		"then requests go as far as they can": {
			pod: two(), targets: []string{"5", "500m"}, item: corev1.LimitRangeItem{Max: list("4", "")},
			want:     []string{"cpu 3/3", "cpu 500m/1"},
			warnings: []string{"cpu: request 5 lowered to 3 by the LimitRange's max for pods", "cpu: limit 6 lowered to 3 by the LimitRange's max for pods"},
		},
		"up to a minimum": {
			pod: two(), targets: []string{"100m", "100m"}, item: corev1.LimitRangeItem{Min: list("1", "")},
			want:     []string{"cpu 654m/2", "cpu 346m/1"},
			warnings: []string{"cpu: request 100m raised to 654m by the LimitRange's min for pods", "cpu: request 100m raised to 346m by the LimitRange's min for pods"},
		},
		"proportionally, where limits are proportional": {
			pod: two(), targets: []string{"3", "1"}, limits: "proportional", item: corev1.LimitRangeItem{Max: list("4", "")},
			want:     []string{"cpu 1500m/3", "cpu 500m/1"},
			warnings: []string{"cpu: request 3 lowered to 1500m by the LimitRange's max for pods", "cpu: request 1 lowered to 500m by the LimitRange's max for pods"},
		},
		"but not below what was declared, where that is a floor": {
			pod: two(), targets: []string{"1500m", "500m"}, limits: "proportional", floor: "declared", item: corev1.LimitRangeItem{Max: list("3500m", "")},
			want:     []string{"cpu 1250m/2500m", "cpu 500m/1"},
			warnings: []string{"cpu: request 1500m lowered to 1250m by the LimitRange's max for pods"},
		},
		"a pod that is too large as it was declared is Kubernetes' to refuse": {
			pod: two(), targets: []string{"3", "1"}, item: corev1.LimitRangeItem{Max: list("2", "")},
			want:     []string{"cpu -/-", "cpu -/-"},
			warnings: []string{"cpu left as declared: no recommended amounts fit the LimitRange's max for pods"},
		},
		"native sidecars count": {
			pod: with(func(p *corev1.Pod) {
				p.Spec.InitContainers = []corev1.Container{container("mesh", list("1", ""), list("1", ""))}
				p.Spec.InitContainers[0].RestartPolicy = &always
			}),
			targets: []string{"2", "500m"}, item: corev1.LimitRangeItem{Max: list("5", "")}, want: []string{"cpu 2/3", "cpu 500m/1"},
			warnings: []string{"cpu: limit 4 lowered to 3 by the LimitRange's max for pods"},
		},
		"init containers only where they are larger": {
			pod: with(func(p *corev1.Pod) {
				p.Spec.InitContainers = []corev1.Container{container("wait", list("5", ""), list("5", ""))}
			}),
			targets: []string{"2", "500m"}, item: corev1.LimitRangeItem{Max: list("5", "")}, want: []string{"cpu 2/4", "cpu 500m/1"},
		},
		"and then they count, with the sidecars that run already": {
			pod: with(func(p *corev1.Pod) {
				p.Spec.InitContainers = []corev1.Container{container("mesh", list("1", ""), list("1", "")), container("wait", list("4", ""), list("4", ""))}
				p.Spec.InitContainers[0].RestartPolicy = &always
			}),
			targets: []string{"100m", "100m"}, item: corev1.LimitRangeItem{Min: list("5", "")}, want: []string{"cpu 100m/2", "cpu 100m/1"},
		},
		"so does a container that nothing is recommended for": {
			pod: two(), targets: []string{"3"}, item: corev1.LimitRangeItem{Max: list("5", "")}, want: []string{"cpu 3/4", "cpu -/-"},
			warnings: []string{"cpu: limit 6 lowered to 4 by the LimitRange's max for pods"},
		},
		"the pod's own requests": {
			pod: with(func(p *corev1.Pod) {
				p.Spec.Resources = &corev1.ResourceRequirements{Requests: list("2", ""), Limits: list("4", "")}
			}),
			targets: []string{"3", "1"}, want: []string{"cpu 1400m/3", "cpu 600m/2"},
			warnings: []string{
				"cpu: request 3 lowered to 1400m by the pod's own resources (spec.resources)", "cpu: request 1 lowered to 600m by the pod's own resources (spec.resources)",
			},
		},
		"the pod's own limits bound each container's": {
			pod: with(func(p *corev1.Pod) {
				p.Spec.Resources = &corev1.ResourceRequirements{Requests: list("4", ""), Limits: list("4", "")}
			}),
			targets: []string{"3", "1"}, want: []string{"cpu 3/4", "cpu 1/2"},
			warnings: []string{"cpu: limit 6 lowered to 4 by the pod's own resources (spec.resources)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			vpa := annotated(&vpav1.VerticalPodAutoscaler{}, CPULimitAnnotation, "multiple=2")
			for key, value := range map[string]string{CPULimitAnnotation: tc.limits, FloorAnnotation: tc.floor} {
				if value != "" {
					vpa.Annotations[key] = value
				}
			}
			vpa.Status.Recommendation = &vpav1.RecommendedPodResources{}
			for i, target := range tc.targets {
				vpa.Status.Recommendation.ContainerRecommendations = append(vpa.Status.Recommendation.ContainerRecommendations,
					vpav1.RecommendedContainerResources{ContainerName: tc.pod.Spec.Containers[i].Name, Target: list(target, "")})
			}
			got := decide(tc.pod, vpa, byDefault, ofPods(tc.item))
			want := make([]string, len(tc.want))
			for i := range want {
				want[i] = tc.want[i] + ", memory -/-"
			}
			require.Equal(t, want, told(got))
			require.Equal(t, tc.warnings, warnings(got))
		})
	}
}
