package scenarios

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// isSpoilt: with NaN, infinite and negative values, a unit jump, a reset, a gap, and series without labels or of another
// environment, what is recommended is within a bucket of what it is without, and what was dropped is counted by reason.
func (l *library) isSpoilt(t *testing.T) {
	// Some of it is to happen in the middle of a day, because each day is judged by itself.
	const day = 24 * time.Hour
	recording := history.Recording{End: time.Now().Add(-day / 2).Truncate(day).Add(day / 2), Span: 7 * day}
	for name, faults := range map[string]history.Faults{
		"shop-db":  history.AllFaults &^ history.Negatives,
		"shop-api": history.UnitJump,
		"nightly":  history.Negatives,
	} {
		w := of(name, "prod", 1)
		w.Scrape.Faults = faults
		recording.Workloads = append(recording.Workloads, w)
	}
	p := l.prometheus(t, "spoilt", cluster.Prometheus{Blocks: write(t, &recording)})
	for way, layers := range bothWays {
		r := l.recommender(t, visitor{name: "spoilt-" + way, address: between(t, p.url, layers...), env: "prod", args: []string{environmentFilter, "--history-resolution=1m"}})
		for _, w := range recording.Workloads {
			if w.Scrape.Faults == history.Negatives && way == "range" {
				continue // PromQL takes a counter that falls below 0 for one that begins anew
			}
			vpa := "spoilt-" + w.Name + "-" + way
			l.vpa(t, "spoilt-"+way, vpa, w.Kind, w.Name)
			w.Scrape.Faults = 0
			requireNear(t, recording, w, l.loaded(t, vpa), bucket)
		}
		metrics, err := measure.Scrape(t.Context(), r.URL+"/metrics")
		require.NoError(t, err)
		reasons := []string{"not_a_number", "unit_jump"}
		if way == "stream" { // PromQL's rates keep the others to themselves
			reasons = append(reasons, "negative", "counter_reset", "gap")
		}
		for _, reason := range reasons {
			require.Positive(t, metrics.Value("vpa_recommender_history_values_dropped_total", measure.Labels{"reason": reason}), "%s: %s", way, reason)
		}
		require.NoError(t, r.Kill())
	}
}
