package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/sartor-vpa/sartor/admission/certs"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://ADDRESS"}}]
contexts: [{name: x, context: {cluster: c}}]
current-context: x
`

// freeAddress is one on loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func get(url string) (int, string) {
	response, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// given writes a certificate as cert-manager does; it returns a client that trusts it.
func given(t *testing.T, o *options) *http.Client {
	authority, err := certs.NewAuthority(time.Now())
	require.NoError(t, err)
	leaf, err := authority.Leaf(time.Now(), "sartor-admission.sartor-system.svc")
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	o.certificates.files = certs.Paths{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	for path, block := range map[string]*pem.Block{
		o.certificates.files.Certificate: {Type: "CERTIFICATE", Bytes: leaf.Certificate[0]},
		o.certificates.files.Key:         {Type: "PRIVATE KEY", Bytes: key},
	} {
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf.Leaf)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "sartor-admission.sartor-system.svc",
	}}}
}

func review(t *testing.T, client *http.Client, url, resource, object string) string {
	response, err := client.Post(url, "application/json", strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"7","operation":"CREATE","namespace":"store",`+
		`"kind":{"kind":"VerticalPodAutoscaler"},"name":"shop","resource":`+resource+`,"object":`+object+`}}`))
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

// One program runs in this process at a time, as elsewhere: its metrics are the process's.
func TestWithoutAnAPIServerItIsAliveNotReadyAndAnswersUntilItsTimeIsOver(t *testing.T) {
	registry := ctrlmetrics.Registry
	t.Cleanup(func() { ctrlmetrics.Registry = registry })
	ctrlmetrics.Registry = prometheus.NewRegistry() // so that the test may run again

	o := defaultOptions()
	o.apiserver.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(o.apiserver.Kubeconfig, []byte(strings.ReplaceAll(kubeconfig, "ADDRESS", freeAddress(t))), 0o600))
	reviews := freeAddress(t)
	o.address, o.shutdownDelay = freeAddress(t), 3*time.Second
	require.NoError(t, setAddress(o, reviews))
	client := given(t, o)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, logr.Discard()) }()
	require.Eventually(t, func() bool {
		response, err := client.Get("https://" + reviews)
		return err == nil && response.Body.Close() == nil
	}, 10*time.Second, 10*time.Millisecond, "the certificate is served")
	status, _ := get("http://" + o.address + "/healthz")
	require.Equal(t, http.StatusOK, status)
	status, why := get("http://" + o.address + "/readyz")
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, why, "caches are not synced")
	_, metrics := get("http://" + o.address + "/metrics")
	for _, name := range []string{"sartor_admission_duration_seconds", "sartor_admission_certificate_expiry_timestamp_seconds", "sartor_admission_certificate_usable 0", "sartor_admission_ready 0", "process_resident_memory_bytes", "go_goroutines"} {
		require.Contains(t, metrics, name)
	}

	ask := func() {
		pod := review(t, client, "https://"+reviews+podsPath, `{"version":"v1","resource":"pods"}`, `{"spec":{"containers":[]}}`)
		require.Contains(t, pod, `"allowed":true`)
		vpa := review(t, client, "https://"+reviews+vpasPath, `{"group":"autoscaling.k8s.io","version":"v1","resource":"verticalpodautoscalers"}`, `{"spec":{}}`)
		require.Contains(t, vpa, `"allowed":false`)
		require.Contains(t, vpa, `spec.targetRef: Required value`)
	}
	ask()
	stop()
	require.Eventually(t, func() bool {
		_, why := get("http://" + o.address + "/readyz")
		return strings.Contains(why, "stopping")
	}, 2*time.Second, 10*time.Millisecond)
	ask()
	require.Empty(t, ended, "the delay is not over")
	require.NoError(t, <-ended)
}

func setAddress(o *options, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	o.bindAddress = host
	o.port, err = strconv.Atoi(port)
	return err
}
