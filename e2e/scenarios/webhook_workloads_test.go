package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// hookedWorkload is a Deployment without pods, and what is recommended for them. All of its pods are created by the
// tests.
type hookedWorkload struct {
	name, cpu, memory string
	more              string   // of the VPA's spec, as YAML
	others            []string // VPAs on the same target, made later
	namespace         string   // hooked by default
	around            string   // what else is in the namespace, as YAML
}

var hookedWorkloads = []hookedWorkload{
	{name: "shop", cpu: "700m", memory: "600Mi"},
	{name: "live", cpu: "700m", memory: "600Mi"},
	{name: "capped", cpu: "3", memory: "600Mi", more: "resourcePolicy: {containerPolicies: [{containerName: app, maxAllowed: {cpu: 2}}]}"},
	{name: "absurd", cpu: "700m", memory: "9E"},
	{name: "hopeless", cpu: "-1", memory: "9E"},
	{name: "crowded", cpu: "700m", memory: "600Mi", others: []string{"crowded-late"}},
	{name: "ranged", cpu: "3", memory: "600Mi", namespace: "hooked-ranged", around: `
apiVersion: v1
kind: LimitRange
metadata: {name: small, namespace: %s}
spec: {limits: [{type: Container, max: {cpu: 2, memory: 1Gi}}]}
`},
	{name: "short", cpu: "700m", memory: "600Mi", namespace: "hooked-short", around: `
apiVersion: v1
kind: ResourceQuota
metadata: {name: small, namespace: %s}
spec: {hard: {requests.cpu: 500m}}
`},
}

const hookedManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: %[2]s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  replicas: 0
  revisionHistoryLimit: 100
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: app, image: "app:1", resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 1, memory: 256Mi}}}]}
`

const hookedVPA = `---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: %[2]s, namespace: %[3]s}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s}
  %[4]s
`

// deploy makes workloads, and returns when the webhook knows them. The last one has to be one that is patched.
func (h *hooks) deploy(t *testing.T, workloads ...hookedWorkload) {
	t.Helper()
	var manifest strings.Builder
	for _, w := range workloads {
		namespace := cmp.Or(w.namespace, hooked)
		fmt.Fprintf(&manifest, "---"+hookedManifest, w.name, namespace)
		if w.around != "" {
			fmt.Fprintf(&manifest, "---%s", fmt.Sprintf(w.around, namespace))
		}
		for _, vpa := range append([]string{w.name}, w.others...) {
			fmt.Fprintf(&manifest, hookedVPA, w.name, vpa, namespace, w.more)
		}
	}
	h.kubectl(t, manifest.String(), "apply", "-f", "-")
	for _, w := range workloads {
		h.recommend(t, w)
	}
	last := h.pod(t, workloads[len(workloads)-1].name)
	eventually(t, "the webhook knows the workloads", func(context.Context) error {
		return patches(h.asks(t, h.one, last, time.Second))
	})
}

// patches is nil if the answer gives resources.
func patches(answer *admissionv1.AdmissionResponse) error {
	if !strings.Contains(string(answer.Patch), "/requests/") {
		return fmt.Errorf("unpatched: %s", answer)
	}
	return nil
}

// recommend writes the status of a workload's VPA.
func (h *hooks) recommend(t *testing.T, w hookedWorkload) {
	t.Helper()
	vpas := vpaClient(t, h.cluster).AutoscalingV1().VerticalPodAutoscalers(cmp.Or(w.namespace, hooked))
	vpa, err := vpas.Get(t.Context(), w.name, metav1.GetOptions{})
	require.NoError(t, err)
	vpa.Status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{
		{ContainerName: "app", Target: list(w.cpu, w.memory)},
	}}
	_, err = vpas.UpdateStatus(t.Context(), vpa, metav1.UpdateOptions{})
	require.NoError(t, err)
}

// pod is one of the Deployment of that name, as its ReplicaSet would create it.
func (h *hooks) pod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	var set appsv1.ReplicaSet
	eventually(t, "the Deployment has a ReplicaSet", func(ctx context.Context) error {
		sets, err := kubeClient(t, h.cluster).AppsV1().ReplicaSets("").List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
		if err == nil && len(sets.Items) != 1 {
			err = fmt.Errorf("it has %d", len(sets.Items))
		}
		if err == nil {
			set = sets.Items[0]
		}
		return err
	})
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: set.Namespace, Labels: set.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(&set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
		},
		Spec: set.Spec.Template.Spec,
	}
}
