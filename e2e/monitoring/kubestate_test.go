package monitoring

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sartor-vpa/sartor/e2e/cluster"
)

// kubeStateMetrics serves what kube-state-metrics (v2) would tell of the cluster, as far as rules and dashboards ask for it,
// and returns its address. Names and labels are those of its documentation.
func kubeStateMetrics(t *testing.T, c *cluster.Cluster) string {
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := kubeState(r.Context(), client)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func kubeState(ctx context.Context, client kubernetes.Interface) (string, error) {
	var text strings.Builder
	all := metav1.ListOptions{}
	pods, err := client.CoreV1().Pods("").List(ctx, all)
	if err != nil {
		return "", err
	}
	for i := range pods.Items {
		tellPod(&text, &pods.Items[i])
	}
	sets, err := client.AppsV1().ReplicaSets("").List(ctx, all)
	if err != nil {
		return "", err
	}
	for i := range sets.Items {
		tellOwners(&text, "replicaset", "replicaset", &sets.Items[i].ObjectMeta)
	}
	jobs, err := client.BatchV1().Jobs("").List(ctx, all)
	if err != nil {
		return "", err
	}
	for i := range jobs.Items {
		tellOwners(&text, "job", "job_name", &jobs.Items[i].ObjectMeta)
	}
	return text.String(), nil
}

func tellOwners(text io.Writer, kind, label string, m *metav1.ObjectMeta) {
	for _, o := range m.OwnerReferences {
		fmt.Fprintf(text, "kube_%s_owner{namespace=%q,%s=%q,owner_kind=%q,owner_name=%q,owner_is_controller=\"%t\"} 1\n",
			kind, m.Namespace, label, m.Name, o.Kind, o.Name, o.Controller != nil && *o.Controller)
	}
	if len(m.OwnerReferences) == 0 {
		fmt.Fprintf(text, "kube_%s_owner{namespace=%q,%s=%q,owner_kind=\"\",owner_name=\"\",owner_is_controller=\"\"} 1\n", kind, m.Namespace, label, m.Name)
	}
}

func tellPod(text io.Writer, pod *corev1.Pod) {
	tellOwners(text, "pod", "pod", &pod.ObjectMeta)
	for _, phase := range []corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed, corev1.PodUnknown} {
		is := 0
		if pod.Status.Phase == phase {
			is = 1
		}
		fmt.Fprintf(text, "kube_pod_status_phase{namespace=%q,pod=%q,uid=%q,phase=%q} %d\n", pod.Namespace, pod.Name, pod.UID, phase, is)
	}
	for _, c := range pod.Spec.Containers {
		tellResources(text, pod, c.Name, "requests", c.Resources.Requests)
		tellResources(text, pod, c.Name, "limits", c.Resources.Limits)
	}
}

func tellResources(text io.Writer, pod *corev1.Pod, container, what string, list corev1.ResourceList) {
	for resource, unit := range map[corev1.ResourceName]string{corev1.ResourceCPU: "core", corev1.ResourceMemory: "byte"} {
		if q, ok := list[resource]; ok {
			fmt.Fprintf(text, "kube_pod_container_resource_%s{namespace=%q,pod=%q,uid=%q,container=%q,node=%q,resource=%q,unit=%q} %g\n",
				what, pod.Namespace, pod.Name, pod.UID, container, pod.Spec.NodeName, resource, unit, q.AsApproximateFloat64())
		}
	}
}

// fetch does the request and returns the answer's body, or what is wrong with it.
func fetch(request *http.Request) ([]byte, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, err
}
