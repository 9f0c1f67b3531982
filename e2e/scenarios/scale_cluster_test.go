package scenarios

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

const selecting = "selecting" // namespace of workloads whose selectors matter

// owners are Kubernetes' own kinds that have pods, by the name of the one in testdata/selecting.yaml.
var owners = map[string]autoscalingv1.CrossVersionObjectReference{
	"deployment":            {APIVersion: "apps/v1", Kind: "Deployment"},
	"replicaset":            {APIVersion: "apps/v1", Kind: "ReplicaSet"},
	"statefulset":           {APIVersion: "apps/v1", Kind: "StatefulSet"},
	"replicationcontroller": {APIVersion: "v1", Kind: "ReplicationController"},
	"daemonset":             {APIVersion: "apps/v1", Kind: "DaemonSet"},
	"job":                   {APIVersion: "batch/v1", Kind: "Job"},
	"cronjob":               {APIVersion: "batch/v1", Kind: "CronJob"},
}

var (
	selected = map[string]string{"app": "shop"}
	other    = map[string]string{"app": "other"}
)

// selection is a cluster with the webhook, and workloads for it.
type selection struct {
	cluster *cluster.Cluster
	sartor  *install.Sartor
	kube    kubernetes.Interface
}

// TestPodsAreMatchedByTheSelectorOfTheirVPAsTarget reads selectors with the manifests' rights from a real API server.
func TestPodsAreMatchedByTheSelectorOfTheirVPAsTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	s := &selection{cluster: start(t, cluster.Options{Name: "selecting", Nodes: 1})}
	var err error
	s.sartor, err = install.Prepare(t.Context(), s.cluster, install.Options{Race: true, Progress: t.Output()})
	require.NoError(t, err)
	require.NoError(t, s.sartor.StartAdmission(t.Context()))
	s.kube = kubeClient(t, s.cluster)
	manifest, err := os.ReadFile("testdata/selecting.yaml")
	require.NoError(t, err)
	s.kubectl(t, string(manifest), "apply", "-f", "-")
	s.kubectl(t, "", "wait", "--for=condition=Established", "crd/rollouts.example.com")

	t.Run("of Kubernetes' own kinds", s.ofKubernetesKinds)
	t.Run("of a kind that only has a /scale, where it changes", s.ofARollout)
	t.Run("without the right to read it all are patched, until there is one", s.withoutTheRight)
}

func (s *selection) ofKubernetesKinds(t *testing.T) {
	for name, ref := range owners {
		ref.Name = name
		s.control(t, ref)
	}
	for name, ref := range owners {
		ref.Name = name
		s.until(t, ref, selected, true)
		require.False(t, s.patched(t, ref, other), "%s", ref.Kind)
	}
	s.knows(t, len(owners))
	require.Zero(t, s.metric(t, "sartor_admission_selector_reads_total", measure.Labels{"result": "failed"}))
	before := s.metric(t, "sartor_admission_selector_reads_total", nil)
	ref := owners["deployment"]
	ref.Name = "deployment"
	for range 50 {
		require.True(t, s.patched(t, ref, selected))
	}
	require.Equal(t, before, s.metric(t, "sartor_admission_selector_reads_total", nil), "pods cost no reads")
	require.Equal(t, float64(len(owners)), s.metric(t, "sartor_admission_decisions_total", measure.Labels{"decision": "not_selected"}))
}

// ofARollout: an operator's pods are of two kinds, and its /scale tells of one.
func (s *selection) ofARollout(t *testing.T) {
	ref := s.rollout(t, "rollout", "role=worker")
	s.control(t, ref)
	worker, helper := map[string]string{"role": "worker"}, map[string]string{"role": "helper"}
	s.until(t, ref, worker, true)
	require.False(t, s.patched(t, ref, helper))
	s.tell(t, "rollout", "role=helper")
	s.until(t, ref, helper, true)
	require.False(t, s.patched(t, ref, worker), "it was read for the helper's sake")
	require.Zero(t, s.metric(t, "sartor_admission_selector_unknown_total", nil))
}

// withoutTheRight: as after an update of the program without its manifests.
func (s *selection) withoutTheRight(t *testing.T) {
	role := s.kubectl(t, "", "get", "clusterrole", "sartor-admission", "-o=yaml")
	require.Contains(t, role, "'*/scale'")
	s.kubectl(t, strings.Replace(role, "'*/scale'", "nothing/scale", 1), "replace", "-f", "-")
	ref := s.rollout(t, "late", "role=worker")
	eventually(t, "the right is gone", func(ctx context.Context) error {
		out, _ := s.cluster.Kubectl(ctx, "", "auth", "can-i", "get", "rollouts.example.com/scale", "--as=system:serviceaccount:"+install.Namespace+":sartor-admission")
		if strings.TrimSpace(out) != "no" {
			return fmt.Errorf("may it? %s", out)
		}
		return nil
	})
	s.control(t, ref)
	s.until(t, ref, map[string]string{"role": "helper"}, true)
	require.Positive(t, s.metric(t, "sartor_admission_selector_unknown_total", nil))
	require.Equal(t, 1.0, s.metric(t, "sartor_admission_selectors", measure.Labels{"state": "unknown"}))
	require.Equal(t, 1, said(t, &install.Program{Process: s.sartor.Admission}, "Cannot read label selectors, trying again; until then VPAs patch all pods that their targets control"))

	s.kubectl(t, role, "replace", "--force", "-f", "-")
	s.until(t, ref, map[string]string{"role": "helper"}, false)
	require.True(t, s.patched(t, ref, map[string]string{"role": "worker"}))
	s.knows(t, len(owners)+2)
}

// rollout makes one whose status tells this selector.
func (s *selection) rollout(t *testing.T, name, selector string) autoscalingv1.CrossVersionObjectReference {
	t.Helper()
	ref := autoscalingv1.CrossVersionObjectReference{APIVersion: "example.com/v1", Kind: "Rollout", Name: name}
	s.kubectl(t, fmt.Sprintf("{apiVersion: %s, kind: Rollout, metadata: {name: %s, namespace: %s}, spec: {replicas: 1}}", ref.APIVersion, name, selecting), "apply", "-f", "-")
	s.tell(t, name, selector)
	return ref
}

func (s *selection) tell(t *testing.T, rollout, selector string) {
	t.Helper()
	s.kubectl(t, "", "-n", selecting, "patch", "rollout", rollout, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(`{"status":{"replicas":1,"selector":%q}}`, selector))
}

// control makes a VPA with a recommendation.
func (s *selection) control(t *testing.T, ref autoscalingv1.CrossVersionObjectReference) {
	t.Helper()
	vpas := vpaClient(t, s.cluster).AutoscalingV1().VerticalPodAutoscalers(selecting)
	vpa, err := vpas.Create(t.Context(), &vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: ref.Name}, Spec: vpav1.VerticalPodAutoscalerSpec{TargetRef: &ref},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	vpa.Status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{
		{ContainerName: "app", Target: list("700m", "600Mi")},
	}}
	_, err = vpas.UpdateStatus(t.Context(), vpa, metav1.UpdateOptions{})
	require.NoError(t, err)
}

// patched creates a pod of an owner, on dry run, and reports whether it gets what is recommended.
func (s *selection) patched(t *testing.T, owner autoscalingv1.CrossVersionObjectReference, labels map[string]string) bool {
	t.Helper()
	kind := strings.ToLower(owner.Kind)
	uid := s.kubectl(t, "", "-n", selecting, "get", kind, owner.Name, "-o=jsonpath={.metadata.uid}")
	yes := true
	pod, err := s.kube.CoreV1().Pods(selecting).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: owner.Name + "-", Labels: labels, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: types.UID(uid), Controller: &yes},
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err)
	return pod.Spec.Containers[0].Resources.Requests.Cpu().String() == "700m"
}

// until waits until such a pod is patched, or is no more.
func (s *selection) until(t *testing.T, owner autoscalingv1.CrossVersionObjectReference, labels map[string]string, patched bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("pods of %s with labels %v are patched: %v", owner.Kind, labels, patched), func(context.Context) error {
		if s.patched(t, owner, labels) != patched {
			return fmt.Errorf("patched: %v", !patched)
		}
		return nil
	})
}

// knows waits until the selectors of n targets are known, and of no target not.
func (s *selection) knows(t *testing.T, n int) {
	t.Helper()
	eventually(t, "all selectors are known", func(context.Context) error {
		known, unknown := s.metric(t, "sartor_admission_selectors", measure.Labels{"state": "known"}), s.metric(t, "sartor_admission_selectors", measure.Labels{"state": "unknown"})
		if known != float64(n) || unknown != 0 {
			return fmt.Errorf("known %v, unknown %v", known, unknown)
		}
		return nil
	})
}

func (s *selection) metric(t *testing.T, name string, labels measure.Labels) float64 {
	t.Helper()
	metrics, err := measure.Scrape(t.Context(), s.sartor.AdmissionURL+"/metrics")
	require.NoError(t, err)
	return metrics.Value(name, labels)
}

func (s *selection) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := s.cluster.Kubectl(t.Context(), stdin, args...)
	require.NoError(t, err)
	return out
}
