package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// restarted: while all replicas of the webhook are replaced, one pod after another is made, by two who create as fast as they
// can on trial, and by the ReplicaSet for each pod that is deleted.
func (s *scene) restarted(t *testing.T) {
	before := s.calls(t)
	gone := map[string]bool{}
	for _, p := range s.webhooks(t) {
		gone[p.Name] = true
	}
	// The last calls end by themselves: one that is given up halfway would look like one that failed.
	stop := make(chan struct{})
	ended := sync.OnceFunc(func() { close(stop) })
	defer ended()
	ctx := t.Context()
	var trials, real atomic.Int64
	var workers sync.WaitGroup
	failures := make([]error, 3)
	trial := s.trial(t)
	for i := range 2 {
		workers.Go(func() { failures[i] = repeat(stop, &trials, func() error { return s.tryPod(ctx, trial) }) })
	}
	workers.Go(func() { failures[2] = repeat(stop, &real, func() error { return s.replacePod(ctx) }) })

	for range 2 { // the second time pods meet those that the first left
		s.kubectl(t, "", "--namespace="+install.Namespace, "rollout", "restart", "deployment/sartor-admission")
		require.NoError(t, install.Available(t.Context(), s.cluster))
	}
	eventually(t, "the old replicas are gone", func(context.Context) error {
		for _, p := range s.webhooks(t) {
			if gone[p.Name] {
				return fmt.Errorf("%s is there", p.Name)
			}
		}
		return nil
	})
	ended()
	workers.Wait()
	require.NoError(t, errors.Join(failures...))
	after := s.calls(t)
	t.Logf("%d pods on trial and %d real ones, %v webhook calls", trials.Load(), real.Load(), after.ok-before.ok)
	require.Greater(t, trials.Load(), int64(100))
	require.Greater(t, real.Load(), int64(5))
	require.GreaterOrEqual(t, after.ok-before.ok, float64(trials.Load()+real.Load()), "every pod was reviewed")
	after.ok = before.ok
	require.Equal(t, before, after, "no call failed, was let through unanswered, or was refused")
}

// repeat calls do, and counts, until stop is closed or it fails.
func repeat(stop <-chan struct{}, n *atomic.Int64, do func() error) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := do(); err != nil {
			return fmt.Errorf("after %d pods: %w", n.Load(), err)
		}
		n.Add(1)
	}
}

// trial is a pod of steady's, as its ReplicaSet would make it.
func (s *scene) trial(t *testing.T) *corev1.Pod {
	pod := s.pods(t, "steady", 2)[0]
	sets, err := s.kube.AppsV1().ReplicaSets(s.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=steady"})
	require.NoError(t, err)
	require.Len(t, sets.Items, 1)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "trial-", Labels: pod.Labels, OwnerReferences: pod.OwnerReferences},
		Spec:       sets.Items[0].Spec.Template.Spec,
	}
}

// tryPod creates a pod on trial and looks whether it was patched. Clients write into what they send.
func (s *scene) tryPod(ctx context.Context, pod *corev1.Pod) error {
	made, err := s.kube.CoreV1().Pods(s.namespace).Create(ctx, pod.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	return isPatched(made)
}

// replacePod deletes a pod of steady's, and looks whether the one that comes in its place is patched. It waits until that
// one runs: more at once would only keep the kubelet busy.
func (s *scene) replacePod(ctx context.Context) error {
	list, err := s.kube.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=steady"})
	if err != nil {
		return err
	}
	known, victim := map[string]bool{}, ""
	for _, p := range list.Items {
		known[p.Name] = true
		if p.DeletionTimestamp == nil {
			victim = p.Name
		}
	}
	pods, err := s.kube.CoreV1().Pods(s.namespace).Watch(ctx, metav1.ListOptions{LabelSelector: "app=steady", ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer pods.Stop()
	if err := s.kube.CoreV1().Pods(s.namespace).Delete(ctx, victim, metav1.DeleteOptions{}); err != nil {
		return err
	}
	for event := range pods.ResultChan() {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok || known[pod.Name] {
			continue
		}
		if err := isPatched(pod); err != nil || pod.Status.Phase == corev1.PodRunning {
			return err
		}
	}
	return errors.New("the watch of pods ended before there was a new one")
}

func isPatched(pod *corev1.Pod) error {
	if pod.Annotations["vpaUpdates"] == "" || pod.Spec.Containers[0].Resources.Requests.Memory().Value() <= 64<<20 {
		return fmt.Errorf("pod %s is unpatched: %v, %s", pod.Name, pod.Annotations, describe(pod.Spec.Containers[0].Resources))
	}
	return nil
}

func (s *scene) webhooks(t *testing.T) []corev1.Pod {
	list, err := s.kube.CoreV1().Pods(install.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=sartor-admission"})
	require.NoError(t, err)
	return list.Items
}

// calls is what the API server counts of its calls of the webhook for pods: those that were answered, those that failed
// and let the pod through, and those that refused it.
type calls struct{ ok, failedOpen, refused, otherwise float64 }

func (s *scene) calls(t *testing.T) calls {
	t.Helper()
	metrics, err := measure.Parse(strings.NewReader(s.kubectl(t, "", "get", "--raw", "/metrics")))
	require.NoError(t, err)
	pods := measure.Labels{"name": "vpa.k8s.io"}
	c := calls{
		ok:         metrics.Value("apiserver_admission_webhook_request_total", measure.Labels{"name": "vpa.k8s.io", "code": "200"}),
		failedOpen: metrics.Value("apiserver_admission_webhook_fail_open_count", pods),
		refused:    metrics.Value("apiserver_admission_webhook_rejection_count", pods),
	}
	c.otherwise = metrics.Value("apiserver_admission_webhook_request_total", pods) - c.ok
	return c
}
