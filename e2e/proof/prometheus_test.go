package proof

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/history"
)

// prometheus is a running server, on blocks that were there before it.
type prometheus struct {
	*process.Process
	url string
}

// startPrometheus runs the program at path on the blocks in data. Its log and its configuration go to scratch.
func startPrometheus(ctx context.Context, path, data, scratch string) (prometheus, error) {
	address, err := freeAddress()
	if err != nil {
		return prometheus{}, err
	}
	config := filepath.Join(scratch, "prometheus.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		return prometheus{}, err
	}
	p := process.Program{
		Name: "prometheus", Path: path,
		Args: []string{
			"--config.file=" + config, "--web.listen-address=" + address, "--log.level=warn",
			"--storage.tsdb.path=" + data, "--storage.tsdb.retention.time=100y",
			// As long as each other: blocks are never merged while something is measured.
			"--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h",
		},
		Ready:        func(ctx context.Context) error { return ready(ctx, "http://"+address+"/-/ready") },
		ReadyTimeout: time.Minute,
	}
	server, err := process.Start(ctx, p, scratch, scratch)
	if err != nil {
		return prometheus{}, err
	}
	if err := server.AwaitReady(ctx, p); err != nil {
		_ = server.Kill() // why it is not ready is what there is to tell
		return prometheus{}, err
	}
	return prometheus{server, "http://" + address}, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func ready(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, answer.Status)
	}
	return nil
}

// serve writes what was recorded and returns the URL of a Prometheus that has it, until the test ends.
func serve(t *testing.T, r history.Recording) string {
	t.Helper()
	path, err := programs.Prometheus(t.Context(), t.Logf)
	require.NoError(t, err)
	data := t.TempDir()
	_, err = r.Write(t.Context(), data)
	require.NoError(t, err)
	p, err := startPrometheus(t.Context(), path, data, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p.url
}

// withoutRemoteRead returns the URL of what stands in front of the Prometheus at target and has no remote read, as
// Thanos has none.
func withoutRemoteRead(t *testing.T, target string) string {
	t.Helper()
	server, err := queriesOnly(target)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server.URL
}

func queriesOnly(target string) (*httptest.Server, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/api/v1/read") {
			http.NotFound(w, r)
			return
		}
		// Read whole before it is passed on: else, where the answer begins before the end of the body was seen, this server
		// closes the body, and with that the proxy's request fails while it is answered.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})), nil
}
