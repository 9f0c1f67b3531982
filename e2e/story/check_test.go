package story

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func pod(service, uid string, main, sidecar corev1.ResourceRequirements) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: service + "-" + uid, UID: types.UID(uid)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: service, Resources: main}, {Name: Sidecar, Resources: sidecar}}},
	}
}

func vpa(service string, main, sidecar corev1.ResourceList) vpav1.VerticalPodAutoscaler {
	return vpav1.VerticalPodAutoscaler{Status: vpav1.VerticalPodAutoscalerStatus{Recommendation: &vpav1.RecommendedPodResources{
		ContainerRecommendations: []vpav1.RecommendedContainerResources{{ContainerName: service, Target: main}, {ContainerName: Sidecar, Target: sidecar}},
	}}}
}

// trueStory is one in which everything is as it should be.
func trueStory() *Story {
	before := corev1.ResourceRequirements{Requests: amounts("100m", "512Mi"), Limits: amounts("2", "1Gi")}
	after := corev1.ResourceRequirements{Requests: amounts("1101m", "900Mi"), Limits: amounts("3", "1800Mi")}
	sidecar := corev1.ResourceRequirements{Requests: amounts("63m", "125Mi")}
	running := func() []corev1.Pod {
		return []corev1.Pod{pod(Stable, "1", before, sidecar), pod(Candidate, "2", before, sidecar)}
	}
	return &Story{
		Before: running(), Meanwhile: running(),
		After: []corev1.Pod{pod(Stable, "3", after, sidecar), pod(Candidate, "4", after, sidecar)},
		VPAs: map[string]vpav1.VerticalPodAutoscaler{
			Stable:    vpa(Stable, amounts("1101m", "900Mi"), amounts("63m", "125Mi")),
			Candidate: vpa(Candidate, amounts("1101m", "900Mi"), amounts("63m", "125Mi")),
		},
	}
}

func TestCheckBelievesATrueStory(t *testing.T) { require.NoError(t, trueStory().Check()) }

func TestCheckSeesEveryLie(t *testing.T) {
	for name, tc := range map[string]struct {
		lie  func(*Story)
		want string
	}{
		"pods were patched before":         {func(s *Story) { s.Before[0].Spec.Containers[0].Resources.Requests = amounts("200m", "512Mi") }, "not created as declared"},
		"a running pod was replaced":       {func(s *Story) { s.Meanwhile[0].UID = "9" }, "not left alone"},
		"a running pod was changed":        {func(s *Story) { s.Meanwhile[1].Generation = 2 }, "not left alone"},
		"the candidate has its own values": {func(s *Story) { s.VPAs[Candidate] = vpa(Candidate, amounts("25m", "250Mi"), amounts("63m", "125Mi")) }, "should have the values of shop's"},
		"nothing is recommended": {func(s *Story) {
			s.VPAs[Stable], s.VPAs[Candidate] = vpav1.VerticalPodAutoscaler{}, vpav1.VerticalPodAutoscaler{}
		}, "should have the values"},
		"a request is not the target":      {func(s *Story) { s.After[0].Spec.Containers[0].Resources.Requests = amounts("1100m", "900Mi") }, "requests"},
		"a limit is a fraction":            {func(s *Story) { s.After[0].Spec.Containers[0].Resources.Limits = amounts("2202m", "1800Mi") }, "has limits"},
		"a limit was forgotten":            {func(s *Story) { s.After[1].Spec.Containers[0].Resources.Limits = nil }, "has limits"},
		"a limit was added to the sidecar": {func(s *Story) { s.After[0].Spec.Containers[1].Resources.Limits = amounts("1", "250Mi") }, "has limits"},
		"there are no new pods":            {func(s *Story) { s.After = nil }, "no new pods"},
	} {
		t.Run(name, func(t *testing.T) {
			s := trueStory()
			tc.lie(s)
			require.ErrorContains(t, s.Check(), tc.want)
		})
	}
}

func TestExpectedLimitsAreTheStorys(t *testing.T) {
	for name, tc := range map[string]struct{ declared, request, want corev1.ResourceList }{
		"the declared limit suffices":   {amounts("2", "1Gi"), amounts("900m", "500Mi"), amounts("2", "1Gi")},
		"twice the request, whole CPUs": {amounts("2", "1Gi"), amounts("1001m", "700Mi"), amounts("3", "1400Mi")},
		"a declared fraction rounds up": {amounts("2500m", "1Gi"), amounts("100m", "512Mi"), amounts("3", "1Gi")},
	} {
		t.Run(name, func(t *testing.T) { require.True(t, equal(tc.want, ExpectedLimits(tc.declared, tc.request))) })
	}
}
