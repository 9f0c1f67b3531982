package node

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// installed: what deploy/ asks of a node, it has got.
func (s *scene) installed(t *testing.T) {
	for program, replicas := range map[string]int{"admission": 2, "recommender": 1} {
		list, err := s.kube.CoreV1().Pods(install.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=sartor-" + program})
		require.NoError(t, err)
		require.Len(t, list.Items, replicas)
		for _, p := range list.Items {
			require.Equal(t, corev1.PodRunning, p.Status.Phase, "two replicas share the only node: %v", p.Status.Conditions)
			require.Equal(t, "sartor-"+program, p.Spec.ServiceAccountName)
			require.Zero(t, p.Status.ContainerStatuses[0].RestartCount, "%+v", p.Status.ContainerStatuses[0].LastTerminationState)
		}
	}
	budget, err := s.kube.PolicyV1().PodDisruptionBudgets(install.Namespace).Get(t.Context(), "sartor-admission", metav1.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, budget.Status.DisruptionsAllowed)

	// The namespace refuses what is less than restricted: the programs are not let off.
	_, err = s.cluster.Kubectl(t.Context(), "", "--namespace="+install.Namespace, "run", "loose", "--image=x", "--dry-run=server")
	require.ErrorContains(t, err, `violates PodSecurity "restricted`)
}

// patched: new pods get what is recommended, through the Service, and the kernel holds them to it.
func (s *scene) patched(t *testing.T) {
	declared := s.running(t, s.pods(t, "steady", 2)[0].Name)
	limits := declared.Spec.Containers[0].Resources.Limits
	require.NoError(t, has(declared, amounts("50m", "64Mi"), amounts("500m", "128Mi")), "before there was a VPA")
	require.NoError(t, inKernel(declared, amounts("50m", "64Mi"), amounts("500m", "128Mi")))

	eventually(t, "new pods have their VPA's target", func(context.Context) error {
		before := s.target(t, "steady", busy(100))
		pods := s.renew(t, "steady", 2)
		after := s.target(t, "steady", busy(100))
		for i := range pods {
			target := before
			if err := has(pods[i], target, story.ExpectedLimits(limits, target)); err != nil && !before.Cpu().Equal(*after.Cpu()) {
				return err // it moved meanwhile, as it may while there are a few samples only
			}
			require.NoError(t, has(pods[i], target, story.ExpectedLimits(limits, target)))
			require.NoError(t, inKernel(pods[i], target, story.ExpectedLimits(limits, target)))
			require.JSONEq(t, `{"app":{"requests":{"cpu":"50m","memory":"64Mi"},"limits":{"cpu":"500m","memory":"128Mi"}}}`, pods[i].Annotations["sartor.dev/declared"])
		}
		return nil
	})
}

// killed: the kernel kills a container at its limit, the recommender sees it, and the next pod has room.
func (s *scene) killed(t *testing.T) {
	var pod corev1.Pod
	eventually(t, "greedy is killed", func(context.Context) error {
		pod = s.pods(t, "greedy", 1)[0]
		for _, c := range pod.Status.ContainerStatuses {
			if c.LastTerminationState.Terminated != nil {
				return nil
			}
		}
		return fmt.Errorf("%+v", pod.Status.ContainerStatuses)
	})
	end := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated
	require.Equal(t, "OOMKilled", end.Reason)
	require.EqualValues(t, 137, end.ExitCode)

	// 100 MiB more than it had, and the margin. Its peak, without the kill, is 400 MiB and the margin at most.
	const had, more, margin = 400 << 20, 100 << 20, 1.15
	target := s.target(t, "greedy", func(target corev1.ResourceList) error {
		if memory := target.Memory().Value(); float64(memory) < (had+more)*margin {
			return fmt.Errorf("%d MiB", memory>>20)
		}
		return nil
	})
	renewed := s.renew(t, "greedy", 1)[0]
	limit := story.ExpectedLimits(pod.Spec.Containers[0].Resources.Limits, target)
	delete(limit, corev1.ResourceCPU) // none was declared
	require.Equal(t, target.Memory().Value(), renewed.Spec.Containers[0].Resources.Requests.Memory().Value())
	require.Equal(t, limit.Memory().Value(), renewed.Spec.Containers[0].Resources.Limits.Memory().Value())
	require.NotContains(t, renewed.Spec.Containers[0].Resources.Limits, corev1.ResourceCPU)
	require.NoError(t, inKernel(renewed, renewed.Spec.Containers[0].Resources.Requests, limit))

	s.killedOnce(t, pod.Name, target)
	eventually(t, "greedy has all that it needs", func(context.Context) error {
		now := s.running(t, renewed.Name)
		require.Zero(t, now.Status.ContainerStatuses[0].RestartCount)
		used, err := cgroup(now, "app", "memory/memory.usage_in_bytes")
		if err == nil && used < 460<<20 {
			err = fmt.Errorf("it has %d MiB so far", used>>20)
		}
		return err
	})
}

// killedOnce: a recommender that starts again has the kill from its checkpoint, and the killed pod's usage from there or from
// Prometheus, but nothing of it twice: what is recommended stays.
func (s *scene) killedOnce(t *testing.T, pod string, target corev1.ResourceList) {
	told := s.kubectl(t, "", "--namespace="+s.namespace, "describe", "vpa", "greedy")
	require.Contains(t, told, "Container app of pod "+pod+" was killed for memory; it requested 400Mi. It counts as having needed 500Mi.")
	s.kubectl(t, "", "--namespace="+install.Namespace, "rollout", "restart", "deployment/sartor-recommender")
	require.NoError(t, install.Available(t.Context(), s.cluster))
	e := s.explained(t, "greedy")
	require.True(t, e.History.Checkpoints)
	eventually(t, "history is read up to now", func(context.Context) error {
		if e = s.explained(t, "greedy"); e.History.State != "loaded" {
			return fmt.Errorf("it is %s: %s", e.History.State, e.History.Error)
		}
		return nil
	})
	after := s.target(t, "greedy", func(corev1.ResourceList) error { return nil })
	require.Equal(t, target.Memory().Value(), after.Memory().Value())
}

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}
