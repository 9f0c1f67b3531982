package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

func TestWithoutAnAPIServerItIsAliveNotReadyAndStopsWhenTold(t *testing.T) {
	o := defaultOptions()
	o.apiserver.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := strings.ReplaceAll(kubeconfig, "ADDRESS", freeAddress(t))
	require.NoError(t, os.WriteFile(o.apiserver.Kubeconfig, []byte(text), 0o600))
	o.bindAddress, o.port, o.address, o.shutdownDelay = "127.0.0.1", 0, freeAddress(t), 0

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, io.Discard) }()
	require.Eventually(t, func() bool {
		status, _ := get("http://" + o.address + "/healthz")
		return status == http.StatusOK
	}, 10*time.Second, 10*time.Millisecond)
	status, why := get("http://" + o.address + "/readyz")
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, why, "caches are not synced")
	_, metrics := get("http://" + o.address + "/metrics")
	require.Contains(t, metrics, "sartor_admission_duration_seconds")

	stop()
	require.NoError(t, <-ended)
}
