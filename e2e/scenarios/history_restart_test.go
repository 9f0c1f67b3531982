package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
)

// isNotAskedAgain: where checkpoints cover all to this minute a recommender that was killed asks for nothing.
func (l *library) isNotAskedAgain(t *testing.T) {
	recording := history.Recording{Workloads: []history.Workload{of("shop-api", "prod", 1), of("shop-db", "prod", 1)}}
	p := l.prometheus(t, "again", cluster.Prometheus{Blocks: write(t, &recording)})
	m := &meter{}
	r := visitor{name: "again", address: between(t, p.url, m.layer(t)), env: "prod", args: []string{environmentFilter}}
	first := l.recommender(t, r)
	before := map[string]recommendation{}
	for _, w := range recording.Workloads {
		l.vpa(t, r.name, "again-"+w.Name, w.Kind, w.Name)
	}
	for _, w := range recording.Workloads {
		before["again-"+w.Name] = l.loaded(t, "again-"+w.Name)
		requireOracle(t, recording, w, before["again-"+w.Name])
	}
	covered := l.covered(t, shelf, "again-shop-api", "again-shop-db")
	require.NoError(t, first.Kill())
	whole := m.reset()

	second := l.recommender(t, r)
	afterLoops(t, second, 3)
	for name, was := range before {
		require.Equal(t, was.render(), l.loaded(t, name).render())
		for _, r := range l.published.since(name, was) {
			require.Equal(t, was.render(), r.render(), "nothing moved: %v", r.vpa.Status.Conditions)
		}
	}
	requireLittle(t, whole, m.reset(), covered)
	requireRunning(t, second)
}

// requireLittle: after a restart only what came since the time covered was asked for, where at first all was.
func requireLittle(t *testing.T, first, again traffic, covered time.Time) {
	t.Helper()
	t.Logf("at first: %d questions, %d of them for history, %d bytes; after a restart: %d, %d, %d bytes",
		len(first.questions), len(first.reads()), first.bytes, len(again.questions), len(again.reads()), again.bytes)
	require.Greater(t, len(first.reads()), 8, "a day each")
	for _, q := range again.reads() {
		const lead = 10 * time.Minute // of the counters, and of a minute in part
		require.WithinRange(t, q.from, covered.Add(-lead), time.Now(), "nothing is asked for that checkpoints cover")
	}
	require.Less(t, 10*again.bytes, first.bytes)
}

// covered waits until the checkpoints of all containers of the VPAs cover their history, and returns since when the gap is.
func (l *library) covered(t *testing.T, namespace string, vpas ...string) time.Time {
	t.Helper()
	var until time.Time
	eventually(t, "checkpoints of all", l.checkpoints(t, namespace, vpas, &until))
	return until
}

// checkpoints is nil when each of the VPAs has a checkpoint over its history. until is to when the oldest of these reaches.
func (l *library) checkpoints(t *testing.T, namespace string, vpas []string, until *time.Time) func(context.Context) error {
	client := vpaClient(t, l.Cluster).AutoscalingV1().VerticalPodAutoscalerCheckpoints(namespace)
	return func(ctx context.Context) error {
		list, err := client.List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		found := map[string]bool{}
		*until = time.Now()
		for _, c := range list.Items {
			var of struct{ From, To time.Time }
			if err := json.Unmarshal([]byte(c.Annotations["sartor.dev/checkpoint"]), &of); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
			if of.To.Sub(of.From) < 8*24*time.Hour {
				continue
			}
			found[c.Spec.VPAObjectName] = true
			if slices.Contains(vpas, c.Spec.VPAObjectName) && of.To.Before(*until) {
				*until = of.To
			}
		}
		for _, vpa := range vpas {
			if !found[vpa] {
				return fmt.Errorf("%s has none that covers its history", vpa)
			}
		}
		return nil
	}
}
