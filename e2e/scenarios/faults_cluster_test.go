package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// fault is one way in which a request for history goes wrong, and what the condition then says of it.
type fault struct {
	do   func(w http.ResponseWriter, r *http.Request, prometheus http.Handler)
	says string
}

// faults come one after the other, as the recommender tries again.
var faults = []fault{
	{func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "starting up", http.StatusServiceUnavailable)
	}, "503 Service Unavailable: starting up"},
	{func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>Sign in</html>")
	}, `answered with "text/html"`},
	{func(w http.ResponseWriter, r *http.Request, prometheus http.Handler) {
		prometheus.ServeHTTP(&cutOff{ResponseWriter: w, left: 1000}, r)
	}, "unexpected EOF"},
	{func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the end of the connection seen
		<-r.Context().Done()               // the recommender has had enough
	}, "deadline exceeded"},
}

// cutOff ends the connection in the middle of an answer.
type cutOff struct {
	http.ResponseWriter
	left int
}

func (c *cutOff) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

// between stands between the recommender and the real Prometheus and hurts the first requests.
func between(t *testing.T, prometheus string) (string, *atomic.Int32) {
	address, err := url.Parse(prometheus)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(address)
	requests := &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := int(requests.Add(1)); n <= len(faults) {
			faults[n-1].do(w, r, proxy)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func TestHistoryIsReadThoughItsServerFailsInEveryWayFirst(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	recording := history.Recording{End: time.Now().Truncate(time.Minute), Workloads: history.Store()}
	blocks := t.TempDir() + "/tsdb"
	_, err := recording.Write(t.Context(), blocks)
	require.NoError(t, err)
	c := start(t, cluster.Options{Name: "faults", Prometheus: &cluster.Prometheus{Blocks: blocks}})
	address, requests := between(t, c.PrometheusURL())
	sartor, err := install.Run(t.Context(), c, install.Options{
		Environment: story.Environment, Race: true, Progress: t.Output(),
		RecommenderArgs: []string{"--prometheus-address=" + address, "--prometheus-query-timeout=2s", "--recommender-interval=1s", "--history-length=9d"},
	})
	require.NoError(t, err)

	nightly := workload(recording, story.Environment, "nightly")
	_, err = c.Kubectl(t.Context(), `
apiVersion: v1
kind: Namespace
metadata: {name: store}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: nightly, namespace: store}
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: nightly}}
`, "apply", "-f", "-")
	require.NoError(t, err)

	var vpa *vpav1.VerticalPodAutoscaler
	var heard []string
	err = poll.Within(t.Context(), 2*time.Minute, 100*time.Millisecond, func(ctx context.Context) error {
		if vpa, err = story.GetVPA(ctx, c, "store", "nightly"); err != nil {
			return err
		}
		if story.Is(vpa, vpav1.RecommendationProvided) {
			return nil
		}
		for _, condition := range vpa.Status.Conditions {
			if condition.Type == vpav1.FetchingHistory {
				heard = append(heard, condition.Message)
			}
		}
		return errors.New("history is not there yet")
	})
	require.NoError(t, err)
	require.Equal(t, renderOracle(upstream(recording, nightly)), render(vpa.Status.Recommendation.ContainerRecommendations), "nothing of the broken answers was used")
	for i, f := range faults {
		told := func(message string) bool { return strings.Contains(message, f.says) }
		require.True(t, slices.ContainsFunc(heard, told), "fault %d is told by the condition: %v", i, heard)
	}
	require.Greater(t, int(requests.Load()), len(faults))
	answer, err := http.Get(sartor.RecommenderURL + "/healthz")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode, "the loop has kept its beat")
}
