package scenarios

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// hook is a replica of the webhook.
type hook struct {
	*install.Program
	address string // of reviews
}

// startHook starts a replica that asks the API server by kubeconfig, and waits until path, of its metrics' address, is
// well. It gets its Deployment's arguments, but for a delay at its end that a test can wait for, and more.
func (h *hooks) startHook(t *testing.T, name, kubeconfig, path string, more ...string) *hook {
	t.Helper()
	port, err := h.cluster.Port(name)
	require.NoError(t, err)
	metrics := h.at(t, name+"-metrics")
	url := "http://" + metrics
	p, err := h.cluster.StartProcess(t.Context(), cluster.Program{
		Name: name, Path: filepath.Join(h.cluster.Dir(), "bin", "admission"),
		Args: slices.Concat(h.args, []string{
			"--kubeconfig=" + kubeconfig, "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port), "--address=" + metrics, "--shutdown-delay=3s",
		}, more),
		Env:          []string{"NAMESPACE=" + install.Namespace, "GORACE=halt_on_error=1"},
		Ready:        func(ctx context.Context) error { return answers(ctx, url+path) },
		ReadyTimeout: time.Minute,
	})
	require.NoError(t, err)
	return &hook{Program: &install.Program{Process: p, URL: url}, address: h.at(t, name)}
}

// started is a replica that is ready.
func (h *hooks) started(t *testing.T, name string) *hook {
	t.Helper()
	return h.startHook(t, name, h.kubeconfig(t, name), "/readyz")
}

// kubeconfig is of the webhook's account.
func (h *hooks) kubeconfig(t *testing.T, name string) string {
	t.Helper()
	path, err := h.cluster.ServiceAccountKubeconfig(t.Context(), install.Namespace, "sartor-admission", name)
	require.NoError(t, err)
	return path
}

// terminate ends a replica as the kubelet does, and waits for it.
func (k *hook) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, k.Stop(t.Context()))
	require.NoError(t, k.Err())
}

// metric is the sum of a replica's series of that name with these labels.
func (k *hook) metric(t *testing.T, name string, labels measure.Labels) float64 {
	t.Helper()
	metrics, err := measure.Scrape(t.Context(), k.URL+"/metrics")
	require.NoError(t, err)
	return metrics.Value(name, labels)
}

// age is how long a replica has not heard of a kind, in seconds.
func (k *hook) age(t *testing.T, kind string) float64 {
	t.Helper()
	return k.metric(t, "sartor_admission_watch_age_seconds", measure.Labels{"kind": kind})
}

// trust returns a client that believes what the webhook's authority signs.
func (h *hooks) trust(t *testing.T) *http.Client {
	secret, err := kubeClient(t, h.cluster).CoreV1().Secrets(install.Namespace).Get(t.Context(), "sartor-admission-ca", metav1.GetOptions{})
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(secret.Data["ca.crt"]))
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // nobody is to wait for us at the end
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "sartor-admission." + install.Namespace + ".svc"},
	}}
}

// asks asks a replica itself, as an API server that grants it that long, what becomes of a pod.
func (h *hooks) asks(t *testing.T, k *hook, pod *corev1.Pod, timeout time.Duration) *admissionv1.AdmissionResponse {
	t.Helper()
	object, err := json.Marshal(pod)
	require.NoError(t, err)
	review, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Namespace: pod.Namespace, Operation: admissionv1.Create,
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Object: runtime.RawExtension{Raw: object},
		},
	})
	require.NoError(t, err)
	response, err := h.client.Post(fmt.Sprintf("https://%s/pods?timeout=%s", k.address, timeout), "application/json", bytes.NewReader(review))
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(text))
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(text, &answer))
	require.True(t, answer.Response.Allowed)
	require.EqualValues(t, "1", answer.Response.UID)
	return answer.Response
}
