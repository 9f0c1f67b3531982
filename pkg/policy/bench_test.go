package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// benchmarked is a pod of three containers, one of which nothing is recommended for, in a namespace with LimitRanges.
func benchmarked() (*Pod, *Rules, *Ranges) {
	pod := podOf(container("shop", list("100m", "512Mi"), list("2", "1Gi")), container("cache", list("50m", "64Mi"), list("1", "256Mi")), container("proxy", list("10m", "40Mi"), nil))
	vpa := vpaOf(nil, vpav1.ContainerResourcePolicy{MinAllowed: list("50m", ""), MaxAllowed: list("8", "8Gi")})
	vpa.Spec.ResourcePolicy.ContainerPolicies[0].ContainerName = "*"
	vpa.Status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{
		{ContainerName: "shop", Target: list("1200m", "700Mi")}, {ContainerName: "cache", Target: list("60m", "100Mi")},
	}}
	ranges := RangesOf([]*corev1.LimitRange{ofContainers(corev1.LimitRangeItem{Min: list("10m", "10Mi")}), ofPods(corev1.LimitRangeItem{Min: list("10m", "10Mi")})})
	asking := PodOf(pod, ranges)
	return &asking, RulesOf(vpa, vpa.Status.Recommendation, byDefault), ranges
}

func TestADecisionAllocatesItsResultAndNoMore(t *testing.T) {
	pod, rules, ranges := benchmarked()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { Decide(pod, rules, ranges) }), 2.0)
	text := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(100, func() { pod.AppendDeclaration(text) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { pod.Recall(Annotations{}, ranges) }))
}

func BenchmarkDecide(b *testing.B) {
	pod, rules, ranges := benchmarked()
	b.ReportAllocs()
	for b.Loop() {
		pod.Recall(Annotations{}, ranges)
		Decide(pod, rules, ranges)
	}
}

func BenchmarkDecideWherePodsAreBound(b *testing.B) {
	pod, rules, _ := benchmarked()
	ranges := RangesOf([]*corev1.LimitRange{ofPods(corev1.LimitRangeItem{Max: list("3500m", "")})})
	for i := range pod.Containers {
		pod.Containers[i].Now.Limits[0] = Value{amount: 1000, is: exact}
	}
	b.ReportAllocs()
	for b.Loop() {
		Decide(pod, rules, ranges)
	}
}

func BenchmarkDeclaration(b *testing.B) {
	pod, _, _ := benchmarked()
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = pod.AppendDeclaration(text[:0])
	}
}

func BenchmarkRulesOf(b *testing.B) {
	vpa := vpaOf(list("1200m", "700Mi"), vpav1.ContainerResourcePolicy{MaxAllowed: list("8", "8Gi")})
	b.ReportAllocs()
	for b.Loop() {
		RulesOf(vpa, vpa.Status.Recommendation, byDefault)
	}
}
