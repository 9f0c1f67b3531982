package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"
)

func factor(n int32) *vpav1.StartupBoost {
	return &vpav1.StartupBoost{CPU: &vpav1.GenericStartupBoost{Type: vpav1.FactorStartupBoostType, Factor: &n}}
}

func more(cpu string) *vpav1.StartupBoost {
	quantity := q(cpu)
	return &vpav1.StartupBoost{CPU: &vpav1.GenericStartupBoost{Type: vpav1.QuantityStartupBoostType, Quantity: &quantity}}
}

func TestCPUIsBoostedForTheStart(t *testing.T) {
	boosting := byDefault
	boosting.StartupBoost = true
	capped := boosting
	capped.MaxBoost = q("900m")
	shop := container(app, list("100m", ""), list("2", ""))
	for name, tc := range map[string]struct {
		cluster  Cluster
		target   corev1.ResourceList
		pod, own *vpav1.StartupBoost
		change   func(*vpav1.VerticalPodAutoscaler)
		want     string
		boosted  bool
	}{
		"by a factor":                         {cluster: boosting, target: list("300m", ""), pod: factor(4), want: "cpu 1200m/3", boosted: true},
		"by a quantity":                       {cluster: boosting, target: list("300m", ""), pod: more("500m"), want: "cpu 800m/2", boosted: true},
		"its own instead of the pod's":        {cluster: boosting, target: list("300m", ""), pod: factor(4), own: factor(2), want: "cpu 600m/2", boosted: true},
		"up to the cluster's maximum":         {cluster: capped, target: list("300m", ""), pod: factor(4), want: "cpu 900m/2", boosted: true},
		"not where the gate is closed":        {cluster: byDefault, target: list("300m", ""), pod: factor(4), want: "cpu 300m/2"},
		"without a recommendation":            {cluster: boosting, pod: factor(4), want: "cpu 400m/2", boosted: true},
		"a factor of one is none":             {cluster: boosting, target: list("300m", ""), pod: factor(1), want: "cpu 300m/2"},
		"a factor below one makes no sense":   {cluster: boosting, target: list("300m", ""), pod: factor(0), want: "cpu 300m/2"},
		"a factor beyond all machines":        {cluster: boosting, target: list("300m", ""), pod: factor(1 << 30), want: "cpu 300m/2"},
		"a quantity beyond all machines":      {cluster: boosting, target: list("300m", ""), pod: more("1e30"), want: "cpu 300m/2"},
		"a quantity below zero":               {cluster: boosting, target: list("300m", ""), pod: more("-1"), want: "cpu 300m/2"},
		"no more than a limit that stays":     {cluster: boosting, target: list("300m", ""), pod: factor(10), want: "cpu 2/-", boosted: true, change: onlyRequests},
		"in mode Off, from what was declared": {cluster: boosting, target: list("300m", ""), pod: factor(4), want: "cpu 400m/2", boosted: true, change: modeOff},
		"a container of mode Off is not":      {cluster: boosting, target: list("300m", ""), pod: factor(4), want: "cpu -/-", change: containerOff},
		"an unknown type is none": {cluster: boosting, target: list("300m", ""), want: "cpu 300m/2", pod: &vpav1.StartupBoost{
			CPU: &vpav1.GenericStartupBoost{Type: "Twice", Factor: ptr(int32(2))},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			vpa := vpaOf(tc.target, vpav1.ContainerResourcePolicy{StartupBoost: tc.own})
			vpa.Spec.StartupBoost = tc.pod
			if tc.change != nil {
				tc.change(vpa)
			}
			got := decide(podOf(shop), vpa, tc.cluster)
			require.Equal(t, []string{tc.want + ", memory -/-"}, told(got))
			require.Equal(t, tc.boosted, got.Containers[0].Boosted)
		})
	}
}

func onlyRequests(vpa *vpav1.VerticalPodAutoscaler) {
	vpa.Spec.ResourcePolicy.ContainerPolicies[0].ControlledValues = &requestsOnly
}

func modeOff(vpa *vpav1.VerticalPodAutoscaler) {
	vpa.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: ptr(vpav1.UpdateModeOff)}
}

func containerOff(vpa *vpav1.VerticalPodAutoscaler) {
	vpa.Spec.ResourcePolicy.ContainerPolicies[0].Mode = &off
}

func TestUpstreamsUpdaterIsToldWhatABoostedContainerHadBefore(t *testing.T) {
	for _, c := range []corev1.Container{
		container(app, list("100m", "512Mi"), list("2", "")), container(app, nil, nil),
		container(app, corev1.ResourceList{"cpu": q("1"), "nvidia.com/gpu": q("1")}, nil),
	} {
		pod := PodOf(podOf(c), nil)
		key, value, err := pod.Containers[0].BoostAnnotation()
		require.NoError(t, err)
		want, err := annotations.GetOriginalResourcesAnnotationValue(&c)
		require.NoError(t, err)
		require.Equal(t, want, value)
		require.Equal(t, annotations.GetStartupCPUBoostAnnotationKey(app), key)
	}
}
