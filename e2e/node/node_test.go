package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/images"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

var (
	//go:embed workloads.yaml
	workloads string
	//go:embed vpas.yaml
	vpas string
	//go:embed store.yaml
	store string
)

// scene is the cluster with Sartor on it, and a namespace with workloads that VPAs are for.
type scene struct {
	cluster   *cluster.Cluster
	kube      kubernetes.Interface
	namespace string
	// recording is the shop's past.
	recording history.Recording
}

// in is the same in another namespace.
func (s *scene) in(namespace string) *scene { return &scene{s.cluster, s.kube, namespace, s.recording} }

func TestSartorOnARealNode(t *testing.T) {
	recording := recorded()
	c := start(t, recording)
	require.NoError(t, install.Pods(t.Context(), c, install.Options{
		Environment: story.Environment, RecommenderArgs: []string{"--recommender-interval=2s"}, Progress: t.Output(),
	}))
	kube, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	s := &scene{c, kube, "work", recording}
	for _, text := range []string{workloads, store} {
		s.kubectl(t, manifest(text), "apply", "-f", "-")
	}
	for app, n := range map[string]int{"steady": 2, "greedy": 1, "resized": 2} {
		s.pods(t, app, n)
	}
	s.kubectl(t, vpas, "apply", "-f", "-")

	t.Run("all replicas run, as who they are and with no more rights than they need", s.installed)
	t.Run("pods have what their VPA says, and so have their cgroups", s.patched)
	t.Run("no pod goes unpatched while the webhook is restarted", s.restarted)
	t.Run("a container that was killed for want of memory comes back with more", s.killed)
	m := s.in("moved").begin(t)
	t.Run("the story is true of what is really used", s.in(story.Namespace).told)
	t.Run("upstream's updater evicts by our recommendations as by its own, and is then content", m.evicted)
	t.Run("upstream's updater resizes in place with limits of its own", s.resized)
	t.Run("a recommender that starts anew knows from Prometheus what cAdvisor measured", s.again)
}

// manifest is one of this folder's, with the image that its containers run.
func manifest(text string) string { return strings.ReplaceAll(text, "$LOAD", images.Load.String()) }

// eventually waits for what a node with two processors does within seconds.
func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	require.NoError(t, poll.Within(t.Context(), 2*time.Minute, 250*time.Millisecond, try), what)
}

func (s *scene) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := s.cluster.Kubectl(t.Context(), stdin, args...)
	require.NoError(t, err)
	return out
}

// pods waits until exactly n pods of an app are there that are not being deleted, and returns them.
func (s *scene) pods(t *testing.T, app string, n int) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	eventually(t, fmt.Sprintf("%d pods of %s", n, app), func(ctx context.Context) error {
		list, err := s.kube.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + app})
		if err != nil {
			return err
		}
		pods = pods[:0]
		for _, p := range list.Items {
			if p.DeletionTimestamp == nil {
				pods = append(pods, p)
			}
		}
		if len(pods) != n {
			return fmt.Errorf("there are %d", len(pods))
		}
		return nil
	})
	return pods
}

// running is a pod's state once its containers run for good.
func (s *scene) running(t *testing.T, name string) corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	eventually(t, "pod "+name+" runs", func(ctx context.Context) error {
		var err error
		if pod, err = s.kube.CoreV1().Pods(s.namespace).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		up := 0
		for _, c := range pod.Status.ContainerStatuses {
			if c.State.Running != nil {
				up++
			}
		}
		if up < len(pod.Spec.Containers) {
			return fmt.Errorf("%s: %+v", pod.Status.Phase, pod.Status)
		}
		return nil
	})
	return *pod
}

// renew deletes the pods of an app, and returns those that come in their place, once they run.
func (s *scene) renew(t *testing.T, app string, n int) []corev1.Pod {
	t.Helper()
	s.answered(t)
	before := map[string]bool{}
	for _, p := range s.pods(t, app, n) {
		before[p.Name] = true
		require.NoError(t, s.kube.CoreV1().Pods(s.namespace).Delete(t.Context(), p.Name, metav1.DeleteOptions{}))
	}
	var after []corev1.Pod
	for _, p := range s.pods(t, app, n) {
		require.NotContains(t, before, p.Name)
		after = append(after, s.running(t, p.Name))
	}
	return after
}

// answered waits until both replicas of the webhook are ready: a probe that came too late on a busy machine takes one away
// for a moment, and both would let a pod pass as it is.
func (s *scene) answered(t *testing.T) {
	t.Helper()
	eventually(t, "the webhook is ready", func(ctx context.Context) error {
		d, err := s.kube.AppsV1().Deployments(install.Namespace).Get(ctx, "sartor-admission", metav1.GetOptions{})
		if err == nil && d.Status.ReadyReplicas < 2 {
			err = fmt.Errorf("%d replicas are", d.Status.ReadyReplicas)
		}
		return err
	})
}

// target waits until what an app's VPA recommends for its container is as wanted.
func (s *scene) target(t *testing.T, app string, wanted func(corev1.ResourceList) error) corev1.ResourceList {
	t.Helper()
	var target corev1.ResourceList
	eventually(t, "what VPA "+app+" recommends", func(ctx context.Context) error {
		vpa, err := story.GetVPA(ctx, s.cluster, s.namespace, app)
		if err != nil {
			return err
		}
		container := "app"
		if s.namespace == story.Namespace {
			container = app
		}
		if target = story.Target(vpa, container); target == nil {
			return fmt.Errorf("nothing yet: %v", conditions(vpa))
		}
		return wanted(target)
	})
	return target
}

func conditions(vpa *vpav1.VerticalPodAutoscaler) string {
	var all []string
	for _, c := range vpa.Status.Conditions {
		all = append(all, fmt.Sprintf("%s=%s: %s", c.Type, c.Status, c.Message))
	}
	return strings.Join(all, "; ")
}

// busy is nil when at least so many millicores are recommended: those who have just started have used less.
func busy(milli int64) func(corev1.ResourceList) error {
	return func(target corev1.ResourceList) error {
		if target.Cpu().MilliValue() < milli {
			return fmt.Errorf("%s CPU", target.Cpu())
		}
		return nil
	}
}

// has is nil when a pod's only container has exactly these resources, and the kubelet says that it runs with them.
func has(pod corev1.Pod, request, limit corev1.ResourceList) error {
	want := corev1.ResourceRequirements{Requests: request, Limits: limit}
	var errs []error
	if got := pod.Spec.Containers[0].Resources; describe(got) != describe(want) {
		errs = append(errs, fmt.Errorf("pod %s has %s and not %s", pod.Name, describe(got), describe(want)))
	}
	actual := pod.Status.ContainerStatuses[0].Resources
	if actual == nil {
		return errors.Join(append(errs, fmt.Errorf("the kubelet tells no resources of pod %s", pod.Name))...)
	}
	if describe(*actual) != describe(want) {
		errs = append(errs, fmt.Errorf("the kubelet gives pod %s %s and not %s", pod.Name, describe(*actual), describe(want)))
	}
	return errors.Join(errs...)
}

func describe(r corev1.ResourceRequirements) string {
	amounts := func(l corev1.ResourceList) string {
		return fmt.Sprintf("%dm, %d bytes", l.Cpu().MilliValue(), l.Memory().Value())
	}
	return "requests of " + amounts(r.Requests) + ", limits of " + amounts(r.Limits)
}
