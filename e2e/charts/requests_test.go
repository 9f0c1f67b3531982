package charts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	custom "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/pki"
)

const metricsPath = "/apis/custom.metrics.k8s.io/v1beta2"

// requests stands in for a prometheus-adapter: it serves the metric of the service chart's HPA, of any pods that are asked
// for, and shares perSecond requests evenly among them.
type requests struct {
	pods      kubernetes.Interface
	perSecond int64
}

// serve registers it with the API server.
func (r *requests) serve(t *testing.T, c *cluster.Cluster) {
	dir := t.TempDir()
	authority, err := pki.NewAuthority(dir, "ca", "custom-metrics-ca")
	require.NoError(t, err)
	require.NoError(t, authority.Issue("custom-metrics", pki.Subject{Name: "custom-metrics", Hosts: []string{"custom-metrics.kube-system.svc"}}))
	port, err := c.Port("custom-metrics")
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+metricsPath, resources)
	mux.HandleFunc("GET "+metricsPath+"/namespaces/{namespace}/pods/{pods}/{metric}", r.values)
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		_ = server.ListenAndServeTLS(filepath.Join(dir, "custom-metrics.crt"), filepath.Join(dir, "custom-metrics.key"))
	}()
	t.Cleanup(func() { _ = server.Close() })
	bundle, err := yaml.Marshal(authority.PEM())
	require.NoError(t, err)
	kubectl(t, c, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: custom-metrics, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost, ports: [{name: https, port: %[1]d}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta2.custom.metrics.k8s.io}
spec:
  service: {name: custom-metrics, namespace: kube-system, port: %[1]d}
  group: custom.metrics.k8s.io
  version: v1beta2
  caBundle: %[2]s
  groupPriorityMinimum: 100
  versionPriority: 100
`, port, bundle), "apply", "-f", "-")
}

func resources(w http.ResponseWriter, _ *http.Request) {
	write(w, metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"},
		GroupVersion: custom.SchemeGroupVersion.String(),
		APIResources: []metav1.APIResource{{Name: "pods/istio_requests_per_second", Namespaced: true, Kind: "MetricValueList", Verbs: []string{"get"}}},
	})
}

func (r *requests) values(w http.ResponseWriter, request *http.Request) {
	if request.PathValue("metric") != "istio_requests_per_second" || request.PathValue("pods") != "*" {
		http.NotFound(w, request)
		return
	}
	pods, err := r.pods.CoreV1().Pods(request.PathValue("namespace")).List(request.Context(), metav1.ListOptions{LabelSelector: request.URL.Query().Get("labelSelector")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	out := custom.MetricValueList{TypeMeta: metav1.TypeMeta{APIVersion: custom.SchemeGroupVersion.String(), Kind: "MetricValueList"}}
	for _, pod := range pods.Items {
		out.Items = append(out.Items, custom.MetricValue{
			DescribedObject: corev1.ObjectReference{APIVersion: "/v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name},
			Metric:          custom.MetricIdentifier{Name: request.PathValue("metric")},
			Timestamp:       metav1.Now(),
			Value:           *resource.NewMilliQuantity(1000*r.perSecond/int64(len(pods.Items)), resource.DecimalSI),
		})
	}
	write(w, out)
}

func write(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
