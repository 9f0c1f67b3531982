package legal

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// TestOfSeveralLimitRangesOnlyTheLastIsKnownToHaveFilledIn is about pods that declare nothing, and get their limits from
// LimitRanges. The LimitRanger goes through them in any order, and each that fills something in writes the annotation
// anew. What the others filled in looks as if the pod had declared it, and so do declared amounts that happen to be a
// default: we cannot tell them apart, and no declared limit may be lowered. So such a limit stays where it is, as the
// first of two pods of one Deployment may have it and the second not.
func TestOfSeveralLimitRangesOnlyTheLastIsKnownToHaveFilledIn(t *testing.T) {
	cpu := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")}
	memory := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	both := corev1.ResourceList{corev1.ResourceCPU: cpu[corev1.ResourceCPU], corev1.ResourceMemory: memory[corev1.ResourceMemory]}
	for name, tc := range map[string]struct {
		defaults   []corev1.ResourceList
		annotation string
		limits     string
	}{
		"one LimitRange": {
			defaults:   []corev1.ResourceList{both},
			annotation: "LimitRanger plugin set: cpu, memory request for container app; cpu, memory limit for container app",
			limits:     `{"cpu":"1","memory":"128Mi"}`,
		},
		"memory comes last": {
			defaults:   []corev1.ResourceList{cpu, memory},
			annotation: "LimitRanger plugin set: memory request for container app; memory limit for container app",
			limits:     `{"cpu":"4","memory":"128Mi"}`,
		},
		"CPU comes last": {
			defaults:   []corev1.ResourceList{memory, cpu},
			annotation: "LimitRanger plugin set: cpu request for container app; cpu limit for container app",
			limits:     `{"cpu":"1","memory":"1Gi"}`,
		},
		"one that has nothing to fill in says nothing": {
			defaults:   []corev1.ResourceList{both, cpu, memory},
			annotation: "LimitRanger plugin set: cpu, memory request for container app; cpu, memory limit for container app",
			limits:     `{"cpu":"1","memory":"128Mi"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: namespace}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}}}
			for i, list := range tc.defaults {
				one := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("range-%d", i), Namespace: namespace}}
				one.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: list}}
				require.True(t, accepts(one))
				s.ranges = append(s.ranges, one)
			}
			s.cluster.Limits = policy.DefaultLimitPolicy()
			s.vpa = vpaOf(vpav1.RecommendedContainerResources{ContainerName: "app", Target: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
			}})
			h := newHook()
			h.knows(s.vpa, s.ranges, s.cluster)
			server, err := newAPIServer(s.ranges)
			require.NoError(t, err)
			posted, err := s.posted()
			require.NoError(t, err)
			before, err := server.received(posted)
			require.NoError(t, err)
			require.Equal(t, tc.annotation, before.Annotations[policy.LimitRangerAnnotation])

			after, err := server.mutated(before, h.review)
			require.NoError(t, err)
			limits, err := json.Marshal(after.Spec.Containers[0].Resources.Limits)
			require.NoError(t, err)
			require.JSONEq(t, tc.limits, string(limits))
			require.NoError(t, server.refuses(after))
			require.NoError(t, same(server, h, after))
		})
	}
}
