package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// startCluster starts a cluster for the test, and stops it after.
func startCluster(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	o.Progress = t.Output()
	c, err := cluster.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Stop()) })
	return c
}

// soon waits for a condition that a working cluster meets within seconds.
func soon(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	require.NoError(t, poll.Within(t.Context(), 90*time.Second, 200*time.Millisecond, try), what)
}

func TestTwoClustersAtOnceEachServeTheirOwn(t *testing.T) {
	for _, use := range []struct{ env, cpu, memory string }{{"prod", "250m", "100Mi"}, {"dev", "2500m", "1000Mi"}} {
		t.Run(use.env, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, cluster.Options{
				Name: use.env, Prometheus: &cluster.Prometheus{Env: use.env},
			})
			_, err := c.Kubectl(t.Context(), deployment(use.cpu, use.memory), "apply", "-f", "-")
			require.NoError(t, err)

			soon(t, "metrics.k8s.io has what the annotations say", func(ctx context.Context) error {
				return usageIs(ctx, c, use.cpu, use.memory)
			})
			memory := resource.MustParse(use.memory)
			soon(t, "Prometheus has scraped the same", func(ctx context.Context) error {
				return seriesIs(ctx, c, `container_memory_working_set_bytes{env="`+use.env+`",namespace="default",container="app"}`, 2, memory.AsApproximateFloat64())
			})
			soon(t, "and nothing of the other environment", func(ctx context.Context) error {
				return seriesIs(ctx, c, `container_memory_working_set_bytes{env!="`+use.env+`"}`, 0, 0)
			})

			folder, pids := c.Dir(), pidsIn(t, c.Dir())
			assert.Len(t, pids, 7)
			require.NoError(t, c.Stop())
			assert.NoError(t, c.Stop(), "twice is as good as once")
			assert.NoError(t, noneLives(pids))
			assert.NoDirExists(t, folder)
			assert.NoDirExists(t, c.LogDir())
			assertFree(t, c)
		})
	}
}

func TestAProgramThatDiesIsNamedWithItsLog(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	// A block whose index is missing: Prometheus ends at once.
	block := filepath.Join(t.TempDir(), "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	require.NoError(t, os.Mkdir(block, 0o755))
	meta := `{"version": 1, "ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "minTime": 1, "maxTime": 2, "compaction": {"level": 1}}`
	require.NoError(t, os.WriteFile(filepath.Join(block, "meta.json"), []byte(meta), 0o644))
	_, err := cluster.Start(t.Context(), cluster.Options{Prometheus: &cluster.Prometheus{Blocks: filepath.Dir(block)}})
	require.ErrorContains(t, err, "prometheus (pid ")
	assert.ErrorContains(t, err, "ended by itself: exit status")
	_, rest, _ := strings.Cut(err.Error(), "last lines of ")
	log, _, _ := strings.Cut(rest, ":\n")
	assert.FileExists(t, log, "the log outlives the cluster")

	c := startCluster(t, cluster.Options{})
	scheduler, err := os.ReadFile(filepath.Join(c.Dir(), "pids", "kube-scheduler.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(scheduler)))
	require.NoError(t, err)
	require.NoError(t, c.Err())
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	<-c.Done()
	assert.ErrorContains(t, c.Err(), "kube-scheduler")
}

func deployment(cpu, memory string) string {
	return fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
  "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
    "metadata": {"labels": {"app": "web"}, "annotations": {"usage/cpu-app": %q, "usage/memory-app": %q, "usage/cpu": "10m"}},
    "spec": {"containers": [{"name": "app", "image": "any"}, {"name": "side", "image": "any"}]}}}}`, cpu, memory)
}

// usageIs is nil when both pods use what they should, by the metrics API.
func usageIs(ctx context.Context, c *cluster.Cluster, cpu, memory string) error {
	out, err := c.Kubectl(ctx, "", "get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods")
	if err != nil {
		return err
	}
	var pods struct {
		Items []struct {
			Containers []struct {
				Name  string
				Usage map[string]resource.Quantity
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &pods); err != nil {
		return err
	}
	right := 0
	for _, pod := range pods.Items {
		for _, container := range pod.Containers {
			want := map[string]string{"cpu": "10m", "memory": "1Mi"}
			if container.Name == "app" {
				want = map[string]string{"cpu": cpu, "memory": memory}
			}
			for name, quantity := range want {
				q := container.Usage[name]
				// CPU is a rate between two readings, whose times are not exact to the millisecond.
				wanted := resource.MustParse(quantity)
				if share := q.AsApproximateFloat64() / wanted.AsApproximateFloat64(); share < 0.95 || share > 1.05 {
					return fmt.Errorf("%s of %s is %s, not %s", name, container.Name, q.String(), quantity)
				}
				right++
			}
		}
	}
	if right != 8 {
		return fmt.Errorf("%d of 8 values: %s", right, out)
	}
	return nil
}

// seriesIs is nil when the query gives that many series, all of that value.
func seriesIs(ctx context.Context, c *cluster.Cluster, query string, count int, value float64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.PrometheusURL()+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if len(answer.Data.Result) != count {
		return fmt.Errorf("not %d series: %s", count, body)
	}
	for _, series := range answer.Data.Result {
		if series.Value[1] != strconv.FormatFloat(value, 'f', -1, 64) {
			return fmt.Errorf("not %g: %s", value, body)
		}
	}
	return nil
}

// assertFree asserts that the ports of a stopped cluster's programs can be bound.
func assertFree(t *testing.T, c *cluster.Cluster) {
	for _, name := range []string{"etcd", "kube-apiserver", "kube-scheduler", "kwok", "metrics-server", "prometheus"} {
		port, err := c.Port(name)
		require.NoError(t, err)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if assert.NoError(t, err, name) {
			_ = l.Close()
		}
	}
}
