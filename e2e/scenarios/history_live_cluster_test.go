package scenarios

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// byHand is a VPA as somebody would write it.
const byHand = `
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: %s, namespace: store}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  %s
`

// TestHistoryAndLiveMetricsStandInForEachOther: on the demo's cluster, whose Prometheus has a week and scrapes on.
func TestHistoryAndLiveMetricsStandInForEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	recording := history.Recording{End: time.Now().Truncate(time.Minute), Workloads: history.Store()}
	blocks := t.TempDir() + "/tsdb"
	_, err := recording.Write(t.Context(), blocks)
	require.NoError(t, err)
	c := start(t, cluster.Options{Name: "stand-in", Prometheus: &cluster.Prometheus{Blocks: blocks, Env: story.Environment}})
	// As the manifests have it, but for the race detector.
	_, err = install.Run(t.Context(), c, install.Options{Environment: story.Environment, Race: true, Progress: t.Output()})
	require.NoError(t, err)
	require.NoError(t, (&story.Story{Cluster: c}).Deploy(t.Context()))
	l := &library{c, record(t, c)}

	t.Run("a VPA that is created by hand shows a week within ten seconds", l.showsAWeek)
	t.Run("without live metrics recent samples come from Prometheus, and a restart asks for what it missed", l.bringsRecentSamples)
}

func (l *library) showsAWeek(t *testing.T) {
	began := time.Now()
	_, err := l.Kubectl(t.Context(), fmt.Sprintf(byHand, "shop", ""), "apply", "-f", "-")
	require.NoError(t, err)
	week := regexp.MustCompile(`shop: cpu \S+ .* 8 days of Prometheus history`)
	require.NoError(t, poll.Within(t.Context(), time.Minute, 200*time.Millisecond, func(ctx context.Context) error {
		described, err := l.Kubectl(ctx, "", "-n", story.Namespace, "describe", "vpa", "shop")
		if err == nil && !week.MatchString(described) {
			err = errors.New(described)
		}
		return err
	}))
	took := time.Since(began)
	t.Logf("kubectl describe shows a week %s after kubectl apply", took.Round(10*time.Millisecond))
	require.Less(t, took, 10*time.Second)
}

// bringsRecentSamples: metrics-server hangs, then its API is gone, then both are back. Meanwhile one recommender brings
// samples from Prometheus, and another is down.
func (l *library) bringsRecentSamples(t *testing.T) {
	m := &meter{}
	args := []string{environmentFilter, "--recommender-interval=2s"}
	stays := l.recommender(t, visitor{name: "stays", address: l.PrometheusURL(), env: story.Environment, args: args})
	misses := visitor{name: "misses", address: between(t, l.PrometheusURL(), m.layer(t)), env: story.Environment, args: args}
	dies := l.recommender(t, misses)
	for _, name := range []string{"stays", "misses"} {
		_, err := l.Kubectl(t.Context(), fmt.Sprintf(byHand, name, "recommenders: [{name: "+name+"}]"), "apply", "-f", "-")
		require.NoError(t, err)
		l.loaded(t, name)
	}
	covered := l.covered(t, story.Namespace, "misses")
	require.NoError(t, dies.Kill())
	first, before := m.reset(), l.published.last()
	samples := func() float64 {
		metrics, err := measure.Scrape(t.Context(), stays.URL+"/metrics")
		require.NoError(t, err)
		return metrics.Value("vpa_recommender_recent_samples_total", nil)
	}
	require.Zero(t, samples(), "live metrics are there")

	counted := regexp.MustCompile(`"Folded live metrics","pods":\d+,"counted":[1-9]`)
	eventually(t, "live metrics", func(context.Context) error {
		text, err := os.ReadFile(stays.LogPath())
		if err == nil && !counted.Match(text) {
			err = errors.New("none was counted")
		}
		return err
	})
	server := l.Component("metrics-server")
	require.NoError(t, server.Pause())
	afterLoops(t, stays, 3)
	api, err := l.Kubectl(t.Context(), "", "get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "yaml")
	require.NoError(t, err)
	_, err = l.Kubectl(t.Context(), "", "delete", "apiservice", "v1beta1.metrics.k8s.io")
	require.NoError(t, err)
	require.NoError(t, server.Resume())
	afterLoops(t, stays, 3)
	eventually(t, "recent samples from Prometheus", func(context.Context) error {
		if samples() == 0 {
			return errors.New("there are none")
		}
		return nil
	})
	require.Equal(t, 1, said(t, stays, "Live metrics are missing or stale, recent samples come from Prometheus: is metrics-server scraping?"))

	_, err = l.Kubectl(t.Context(), api, "create", "-f", "-")
	require.NoError(t, err)
	eventually(t, "live metrics", func(context.Context) error {
		if said(t, stays, "Live metrics are there again") == 0 {
			return errors.New("are not there")
		}
		return nil
	})
	brought := samples()
	again := l.recommender(t, misses)
	afterLoops(t, again, 3)
	afterLoops(t, stays, 3)
	require.Equal(t, brought, samples(), "nothing more is asked of Prometheus")
	gap := m.reset()
	require.NotEmpty(t, gap.reads(), "what was missed is asked for")
	requireLittle(t, first, gap, covered)
	for _, name := range []string{"misses", "stays"} {
		for _, after := range l.published.since(name, before[name]) {
			requireNearly(t, before[name].values, after, bucket)
		}
	}
	requireRunning(t, stays)
	requireRunning(t, again)
}
