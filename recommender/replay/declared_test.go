package replay

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

func TestAVPAsPolicyAndWhatItsPodsDeclareCount(t *testing.T) {
	off, none := vpav1.UpdateModeOff, vpav1.ContainerScalingModeOff
	requests := vpav1.ContainerControlledValuesRequestsOnly
	w := Workload{Namespace: "n", Name: "w", VPA: &vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{policy.CPULimitAnnotation: "multiple=3,round=1", policy.FloorAnnotation: "declared"}},
		Spec: vpav1.VerticalPodAutoscalerSpec{
			UpdatePolicy: &vpav1.PodUpdatePolicy{UpdateMode: &off},
			ResourcePolicy: &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
				{ContainerName: "app", MinAllowed: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("900m")}},
				{ContainerName: "keeps", ControlledValues: &requests},
				{ContainerName: "off", Mode: &none},
			}},
		},
	}, Template: &corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Name: "app", Resources: *declaredResources()}, {Name: "keeps", Resources: *declaredResources()}, {Name: "off"}, {Name: "bare"},
	}}}}
	for _, name := range []string{"app", "keeps", "off", "bare", "sidecar"} {
		w.Tracks = append(w.Tracks, flat("p", name, sunday, 2*aDay, 100, 300*mebi))
	}
	r := played(t, []Workload{w}, Options{}, byDefault("base"), Policy{Name: "declared", AsDeclared: true})
	got := map[string][]Outcome{}
	for _, c := range r.Containers {
		got[c.Container] = c.Outcomes
	}
	require.Equal(t, 0.9, got["app"][0].CPU.Request, "minAllowed counts")
	require.Equal(t, 3.0, got["app"][0].CPU.Limit, "three times that")
	require.Equal(t, float64(512*mebi), got["app"][0].Memory.Request, "and the declared floor")
	require.Equal(t, 2.0, got["keeps"][0].CPU.Limit, "its limit is as declared")
	require.Zero(t, got["off"][0].CPU.Coverage)
	require.Positive(t, got["bare"][0].CPU.Request)
	require.Zero(t, got["bare"][0].CPU.Limit, "limits that are not declared are not added")
	require.Nil(t, got["bare"][0].CPU.AboveLimit)
	require.Positive(t, got["sidecar"][0].CPU.Limit, "of a sidecar nothing is known, and a limit assumed")
	require.Equal(t, off, *w.VPA.Spec.UpdatePolicy.UpdateMode, "the object is as it was")

	require.Equal(t, 0.1, got["app"][1].CPU.Request)
	require.Equal(t, 1.0, got["app"][1].CPU.Coverage)
	require.Zero(t, got["app"][1].CPU.ChangesPerDay)
	require.Zero(t, got["bare"][1].CPU.Coverage, "it declares nothing")
	require.Zero(t, got["sidecar"][1].CPU.Coverage, "what is assumed was not declared")
}
