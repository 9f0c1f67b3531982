package scenarios

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// hasLimits: a server without remote read gives a few hundred samples at once. At 1m what is recommended is within a bucket
// or 5 % of what live metrics would have given; at 5m within 20 % or a bucket, and the condition says at what resolution.
func (l *library) hasLimits(t *testing.T) {
	recording := history.Recording{Workloads: []history.Workload{of("shop", "prod", 1), of("nightly", "prod", 1), of("shop-api", "prod", 1)}}
	blocks := write(t, &recording)
	for _, way := range []struct {
		name, resolution string
		// samples is the server's limit: a day has more of them at this resolution.
		samples int
		layer   func(http.Handler) http.Handler
		near    func(name string, want float64) float64
		says    string
	}{
		{"fine", "1m", 8000, withoutRemoteRead, bucket, "9 days of history were read from Prometheus."},
		{"coarse", "5m", 2000, losingRemoteRead(3), func(name string, value float64) float64 { return max(0.2*value, bucket(name, value)) }, "CPU is known once in 5m only, because the server does not stream remote reads"},
	} {
		p := l.prometheus(t, way.name, cluster.Prometheus{Blocks: blocks, Args: []string{fmt.Sprintf("--query.max-samples=%d", way.samples)}})
		r := l.recommender(t, visitor{
			name: way.name, address: between(t, p.url, way.layer), env: "prod",
			args: []string{environmentFilter, "--history-resolution=" + way.resolution},
		})
		for _, w := range recording.Workloads {
			name := way.name + "-" + w.Name
			l.vpa(t, way.name, name, w.Kind, w.Name)
			got := l.loaded(t, name)
			require.Contains(t, got.fetching().Message, way.says)
			requireNear(t, recording, w, got, way.near)
		}
		metrics, err := measure.Scrape(t.Context(), r.URL+"/metrics")
		require.NoError(t, err)
		require.Positive(t, metrics.Value("vpa_recommender_history_queries_total", measure.Labels{"api": "query_range", "result": "too_large"}), "the limit was met")
		require.Zero(t, metrics.Value("vpa_recommender_history_remote_read", nil))
	}
}

// requireNear: what the VPA says differs from what upstream would say after the same days of live metrics by less than near
// of the smaller of both.
func requireNear(t *testing.T, r history.Recording, w history.Workload, got recommendation, near func(name string, value float64) float64) {
	t.Helper()
	requireNearly(t, values(upstream(r, w)), got, near)
}

func requireNearly(t *testing.T, want map[string]float64, got recommendation, near func(name string, value float64) float64) {
	t.Helper()
	require.NotEmpty(t, want)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		is, was := got.values[name], want[name]
		require.LessOrEqual(t, math.Abs(is-was), near(name, min(is, was)), "%s, %s: %g and not %g, %.3f of it", got.vpa.Name, name, is, was, is/was)
	}
}

// bucket is how far two values may be apart that come from neighbouring buckets, or 5 % if that is more: step, and what makes
// upper bounds of eight days wider, and rounding.
func bucket(name string, value float64) float64 {
	unit := 1.0
	if strings.HasSuffix(name, " cpu") {
		unit = 0.001
	}
	if wider := 1 + 1.0/8; strings.Contains(name, " upper ") {
		return wider*step(name, value/wider) + unit
	}
	return step(name, value) + unit
}

// values are what upstream says, as read gives what is published.
func values(o oracle) map[string]float64 {
	all := map[string]float64{}
	for container, r := range o.recommendation {
		for field, resources := range map[string]model.Resources{"lower": r.LowerBound, "target": r.Target, "uncapped": r.Target, "upper": r.UpperBound} {
			all[container+" "+field+" cpu"] = model.CoresFromCPUAmount(resources[model.ResourceCPU])
			all[container+" "+field+" memory"] = model.BytesFromMemoryAmount(resources[model.ResourceMemory])
		}
	}
	return all
}

// losingRemoteRead has remote read for so many requests, and then no more.
func losingRemoteRead(after int32) func(http.Handler) http.Handler {
	reads := &atomic.Int32{}
	return func(next http.Handler) http.Handler {
		without := withoutRemoteRead(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == pathRead && reads.Add(1) > after {
				without.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
