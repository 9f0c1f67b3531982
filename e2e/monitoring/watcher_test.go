package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/install"
)

type object = map[string]any

// watcher is a Prometheus that watches the cluster as deploy/monitoring says. It is another than the one with the history.
type watcher struct{ url string }

// watch starts it. It also scrapes what a cluster's Prometheus has anyway: cAdvisor, kube-state-metrics, API servers; the
// first two once more as of an environment dev, where the same pods have no VPAs.
func watch(t *testing.T, c *cluster.Cluster, sartor *install.Sartor) *watcher {
	path, err := programs.Prometheus(t.Context(), t.Logf)
	require.NoError(t, err)
	port, err := c.Port("watcher")
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	dir := t.TempDir()
	config, err := yaml.Marshal(object{
		"global":         object{"scrape_interval": "2s", "evaluation_interval": "2s"},
		"rule_files":     []string{files(t, "prometheus", "rules.yaml")},
		"scrape_configs": append(others(t, c, dir), ours(t, c, sartor, dir)),
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), config, 0o600))
	w := &watcher{url: "http://" + address}
	_, err = c.StartProcess(t.Context(), cluster.Program{
		Name: "watcher", Path: path,
		Args: []string{
			"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--web.listen-address=" + address,
			"--storage.tsdb.path=" + filepath.Join(dir, "data"), "--log.level=warn",
		},
		Ready: func(ctx context.Context) error {
			_, err := w.get(ctx, "/-/ready", nil)
			return err
		},
		ReadyTimeout: time.Minute,
	})
	require.NoError(t, err)
	// What happens before the first scrape of a program is no increase of anything.
	require.NoError(t, poll.Within(t.Context(), patience, time.Second, func(ctx context.Context) error {
		up, err := w.query(ctx, "up == 1")
		if err == nil && len(up) < targets {
			err = fmt.Errorf("%d of %d targets were scraped: %v", len(up), targets, up)
		}
		return err
	}))
	return w
}

// targets are both programs, an API server, and of two environments two nodes and kube-state-metrics.
const targets = 2 + 1 + 2*(2+1)

// environment adds the label by which this cluster's series differ from another's in the same Prometheus.
func environment(name string) object { return object{"target_label": "env", "replacement": name} }

// ours is the scrape of deploy/monitoring. Neither Debian's Prometheus nor the one that we build can ask Kubernetes, so that
// this asks in its place; and the pods are processes beside the cluster.
func ours(t *testing.T, c *cluster.Cluster, sartor *install.Sartor, dir string) object {
	text, err := os.ReadFile(files(t, "prometheus", "scrape.yaml"))
	require.NoError(t, err)
	var file struct {
		Scrapes []object `json:"scrape_configs"`
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &file))
	require.Len(t, file.Scrapes, 1)
	scrape := file.Scrapes[0]
	require.Equal(t, []any{object{"role": "pod", "namespaces": object{"names": []any{install.Namespace}}}}, scrape["kubernetes_sd_configs"])
	delete(scrape, "kubernetes_sd_configs")
	targets := filepath.Join(dir, "pods.json")
	require.NoError(t, os.WriteFile(targets, discover(t, c), 0o600))
	scrape["file_sd_configs"] = []object{{"files": []string{targets}}}
	relabel := append(scrape["relabel_configs"].([]any), environment("prod"))
	for job, url := range map[string]string{"sartor-recommender": sartor.RecommenderURL, "sartor-admission": sartor.AdmissionURL} {
		relabel = append(relabel, object{
			"source_labels": []string{"job"}, "regex": job, "target_label": "__address__", "replacement": strings.TrimPrefix(url, "http://"),
		})
	}
	scrape["relabel_configs"] = relabel
	return scrape
}

// discover lists every port of our pods as Prometheus' discovery of pods does.
func discover(t *testing.T, c *cluster.Cluster) []byte {
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	pods, err := client.CoreV1().Pods(install.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	groups := []object{}
	for _, pod := range pods.Items {
		for _, container := range pod.Spec.Containers {
			for _, port := range container.Ports {
				groups = append(groups, object{"targets": []string{fmt.Sprintf("%s:%d", pod.Status.PodIP, port.ContainerPort)}, "labels": meta(pod, container, port)})
			}
		}
	}
	text, err := json.Marshal(groups)
	require.NoError(t, err)
	return text
}

func meta(pod corev1.Pod, container corev1.Container, port corev1.ContainerPort) map[string]string {
	labels := map[string]string{
		"namespace": pod.Namespace, "pod_name": pod.Name, "pod_phase": string(pod.Status.Phase), "pod_container_name": container.Name,
		"pod_container_port_name": port.Name, "pod_container_port_number": fmt.Sprint(port.ContainerPort),
	}
	for name, value := range pod.Labels {
		labels["pod_label_"+strings.NewReplacer(".", "_", "/", "_", "-", "_").Replace(name)] = value
	}
	out := map[string]string{}
	for name, value := range labels {
		out["__meta_kubernetes_"+name] = value
	}
	return out
}

func others(t *testing.T, c *cluster.Cluster, dir string) []any {
	kwok, err := c.Port("kwok")
	require.NoError(t, err)
	insecure := object{"insecure_skip_verify": true}
	var nodes []string
	for i := range 2 {
		nodes = append(nodes, fmt.Sprintf("/metrics/nodes/sim-%d/metrics/cadvisor", i+1))
	}
	var all []any
	for _, env := range []string{"prod", "dev"} {
		for i, path := range nodes {
			all = append(all, object{
				"job_name": fmt.Sprintf("cadvisor-%s-%d", env, i), "scheme": "https", "tls_config": insecure, "metrics_path": path, "honor_labels": true,
				"static_configs": []object{{"targets": []string{fmt.Sprintf("127.0.0.1:%d", kwok)}}}, "relabel_configs": []object{environment(env)},
			})
		}
		all = append(all, object{
			"job_name": "kube-state-metrics-" + env, "honor_labels": true,
			"static_configs": []object{{"targets": []string{kubeStateMetrics(t, c)}}}, "relabel_configs": []object{environment(env)},
		})
	}
	config := c.RESTConfig()
	for name, data := range map[string][]byte{"client.crt": config.CertData, "client.key": config.KeyData} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	server, err := url.Parse(config.Host)
	require.NoError(t, err)
	return append(all, object{
		"job_name": "apiserver", "scheme": "https",
		"tls_config":     object{"insecure_skip_verify": true, "cert_file": filepath.Join(dir, "client.crt"), "key_file": filepath.Join(dir, "client.key")},
		"static_configs": []object{{"targets": []string{server.Host}}}, "relabel_configs": []object{environment("prod")},
	})
}

// series is one of an answer: its labels and its value.
type series struct {
	Metric map[string]string
	Value  [2]any
}

// query asks for what an expression is now.
func (w *watcher) query(ctx context.Context, expr string) ([]series, error) {
	body, err := w.get(ctx, "/api/v1/query", url.Values{"query": {expr}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.Data.ResultType == "scalar" {
		return nil, fmt.Errorf("%s is a scalar", expr)
	}
	var found []series
	return found, json.Unmarshal(answer.Data.Result, &found)
}

func (w *watcher) get(ctx context.Context, path string, values url.Values) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return fetch(request)
}
