package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// resized: upstream's updater resizes pods that run. It keeps the ratio of limits to requests that it finds, whatever
// our policy is, which holds for pods that are created. So one that was resized and a new one differ.
func (s *scene) resized(t *testing.T) {
	declared := s.pods(t, "resized", 2)
	for _, p := range declared {
		require.NoError(t, has(p, amounts("50m", "64Mi"), amounts("200m", "160Mi")), "it is older than its VPA")
	}
	s.target(t, "resized", busy(80))
	upstream, err := install.PrepareUpstream(t.Context(), s.cluster, t.Output())
	require.NoError(t, err)
	updater, err := upstream.StartUpdater(t.Context(), "--vpa-object-namespace="+s.namespace, "--updater-interval=2s", "--min-replicas=1")
	require.NoError(t, err)
	defer func() { require.NoError(t, updater.Stop(context.WithoutCancel(t.Context()))) }()

	for _, p := range declared {
		eventually(t, p.Name+" is resized", func(ctx context.Context) error {
			pod, err := s.kube.CoreV1().Pods(s.namespace).Get(ctx, p.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			require.Equal(t, p.UID, pod.UID)
			require.Zero(t, pod.Status.ContainerStatuses[0].RestartCount, "in place")
			return proportional(*pod)
		})
	}
	require.NoError(t, updater.Stop(t.Context())) // or it goes on where the target does

	target := s.target(t, "resized", busy(80))
	renewed := s.renew(t, "resized", 2)[0]
	require.NoError(t, has(renewed, target, story.ExpectedLimits(amounts("200m", "160Mi"), target)), "a new pod has our limits")
	require.Error(t, proportional(renewed))
}

// proportional is nil when a pod requests more than it declared, has limits that are to it as the declared ones are, and
// the kernel holds it to them.
func proportional(pod corev1.Pod) error {
	r := pod.Spec.Containers[0].Resources
	if r.Requests.Cpu().MilliValue() < 80 {
		return fmt.Errorf("it has %s", describe(r))
	}
	cpu := float64(r.Limits.Cpu().MilliValue()) / float64(r.Requests.Cpu().MilliValue())
	memory := float64(r.Limits.Memory().Value()) / float64(r.Requests.Memory().Value())
	if math.Abs(cpu-4) > 0.05 || math.Abs(memory-2.5) > 0.05 {
		return fmt.Errorf("the ratios are %v and %v: %s", cpu, memory, describe(r))
	}
	return errors.Join(has(pod, r.Requests, r.Limits), inKernel(pod, r.Requests, r.Limits))
}
