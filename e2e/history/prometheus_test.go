package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
)

func TestPrometheusServesTheBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("may have to fetch or build a Prometheus")
	}
	r := Recording{End: time.Now(), Span: 36 * time.Hour, Workloads: Store(), KubeStateMetrics: true}
	dir := t.TempDir()
	_, err := r.Write(t.Context(), dir)
	require.NoError(t, err)
	address := startPrometheus(t, dir)

	pods := map[string]bool{}
	for _, w := range r.Workloads {
		maps.Copy(pods, podNames(r, w))
	}
	query := `count(count by (pod) (count_over_time(kube_pod_owner{env="prod"}[40h])))`
	require.Equal(t, map[string]float64{"": float64(len(pods))}, ask(t, address, query, r.End), "dev and prod share every name")

	for _, w := range r.Workloads {
		if w.Scrape.Twice {
			continue // below, the samples of both jobs would be one number
		}
		count, peak := map[string]float64{}, map[string]float64{}
		for s := range r.Samples(w) {
			count[s.Container]++
			peak[s.Container] = max(peak[s.Container], s.Memory)
		}
		pods := fmt.Sprintf(`env=%q,namespace=%q,pod=~"%s-[^-]+(-[^-]{5})?",container!="",container!="POD"`, w.Env, w.Namespace, w.Name)
		if w.Name == "shop" {
			pods += `,pod!~"shop-(rc|api|db)-.*"`
		}
		query := fmt.Sprintf(`sum by (container) (count_over_time(%s{%s}[40h]))`, cpuMetric, pods)
		require.Equal(t, count, ask(t, address, query, r.End), "%s %s", w.Env, w.Name)
		query = fmt.Sprintf(`max by (container) (max_over_time(%s{%s}[40h]))`, memoryMetric, pods)
		require.Equal(t, peak, ask(t, address, query, r.End), "%s %s", w.Env, w.Name)
	}
}

// startPrometheus serves dir on a free port of the loopback until the test ends.
func startPrometheus(t *testing.T, dir string) string {
	t.Helper()
	path, err := programs.Prometheus(t.Context(), t.Logf)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())

	config := filepath.Join(t.TempDir(), "prometheus.yml")
	require.NoError(t, os.WriteFile(config, nil, 0o600))
	cmd := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+dir,
		"--storage.tsdb.retention.time=60d", "--web.listen-address="+address, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "Prometheus is not ready")
	return address
}

// ask returns the values of an instant query by container.
func ask(t *testing.T, address, query string, at time.Time) map[string]float64 {
	t.Helper()
	form := url.Values{"query": {query}, "time": {at.UTC().Format(time.RFC3339Nano)}}
	answer, err := http.PostForm("http://"+address+"/api/v1/query", form)
	require.NoError(t, err)
	defer answer.Body.Close()
	var body struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&body))
	require.Empty(t, body.Error, query)
	out := map[string]float64{}
	for _, r := range body.Data.Result {
		v, err := strconv.ParseFloat(r.Value[1].(string), 64)
		require.NoError(t, err)
		out[r.Metric["container"]] = v
	}
	return out
}
