package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
	"github.com/sartor-vpa/sartor/e2e/story"
)

//go:embed moved.yaml
var moved string

// whose are the recommenders, and what ends the names of their workloads.
var whose = []struct{ name, recommender string }{{"ours", "default"}, {"theirs", "upstream"}}

// moving is what it takes to see upstream's updater at work: the same workloads twice, once with our recommendations and
// once with those of upstream's recommender.
type moving struct {
	*scene
	upstream    *install.Upstream
	recommender *install.Program
}

// begin creates the workloads, of which both recommenders learn from then on.
func (s *scene) begin(t *testing.T) *moving {
	s.kubectl(t, "", "create", "namespace", s.namespace)
	for _, who := range whose {
		s.kubectl(t, strings.NewReplacer("$WHO", who.name, "$RECOMMENDER", who.recommender).Replace(manifest(moved)), "apply", "-f", "-")
	}
	upstream, err := install.PrepareUpstream(t.Context(), s.cluster, t.Output())
	require.NoError(t, err)
	recommender, err := upstream.StartRecommender(t.Context(), "--recommender-name=upstream", "--recommender-interval=2s")
	require.NoError(t, err)
	return &moving{s, upstream, recommender}
}

// evicted: upstream's updater does with our recommendations what it does with upstream's own. It evicts pods that are far off,
// within their budget and by their grace, which come back with what is recommended, and then it is content.
func (m *moving) evicted(t *testing.T) {
	before := map[string][]corev1.Pod{}
	for app, n := range map[string]int{"far": 2, "near": 1, "initial": 1} {
		for _, who := range whose {
			name := app + "-" + who.name
			m.target(t, name, func(corev1.ResourceList) error { return nil })
			for _, p := range m.pods(t, name, n) {
				before[name] = append(before[name], m.running(t, p.Name))
			}
		}
	}
	m.answered(t)
	d := m.write(t)
	updater, err := m.upstream.StartUpdater(t.Context(), "--vpa-object-namespace="+m.namespace, "--updater-interval=2s",
		"--min-replicas=1", "--eviction-tolerance=1") // it would take both at once: only their budget is in the way
	require.NoError(t, err)
	defer func() {
		ctx := context.WithoutCancel(t.Context())
		require.NoError(t, errors.Join(updater.Stop(ctx), m.recommender.Stop(ctx)))
	}()

	for _, app := range []string{"far-ours", "far-theirs"} {
		eventually(t, "both pods of "+app+" are replaced", func(context.Context) error {
			if ended := d.ends(app); len(ended) < 2 {
				return fmt.Errorf("%d are", len(ended))
			}
			return nil
		})
		m.requireMoved(t, d, app)
	}
	loops(t, updater, 5)
	for _, app := range []string{"far", "near", "initial"} {
		require.Equal(t, d.of(app+"-theirs"), d.of(app+"-ours"), app)
	}
	require.Equal(t, []string{"evicted", "created", "evicted", "created"}, d.of("far-ours"), "each once, and one after the other")
	for name, pods := range before {
		if strings.HasPrefix(name, "far") {
			continue
		}
		require.Empty(t, d.of(name), name)
		after := m.pods(t, name, len(pods))
		require.Equal(t, pods[0].UID, after[0].UID, name)
		require.Equal(t, pods[0].Generation, after[0].Generation, "%s was left alone", name)
	}
}

// requireMoved: an app's pods ended in their own time, one at a time, and those in their place have what is recommended.
func (m *moving) requireMoved(t *testing.T, d *diary, app string) {
	t.Helper()
	require.Equal(t, 1, d.least(app), "its budget was kept, and needed")
	for _, end := range d.ends(app) {
		status := end.pod.Status.ContainerStatuses[0]
		require.NotNil(t, status.State.Terminated, "%+v", status.State)
		require.Zero(t, status.State.Terminated.ExitCode, "it was let end by itself: %+v", status.State.Terminated)
		// Times are whole seconds.
		require.GreaterOrEqual(t, status.State.Terminated.FinishedAt.Sub(end.told), time.Second, "which took it two seconds")
	}
	for _, p := range m.pods(t, app, 2) {
		pod := m.running(t, p.Name)
		request := pod.Spec.Containers[0].Resources.Requests
		require.Equal(t, int64(250<<20), request.Memory().Value(), "what VPA %s recommends, the least that a pod gets", app)
		require.Contains(t, pod.Annotations, "vpaUpdates")
		require.NoError(t, has(pod, request, story.ExpectedLimits(amounts("1500m", "128Mi"), request)))
		require.NoError(t, allInKernel(pod))
		require.Zero(t, pod.Status.ContainerStatuses[0].RestartCount)
	}
}

// loops waits until the updater has gone round n more times.
func loops(t *testing.T, updater *install.Program, n uint64) {
	t.Helper()
	count := func(ctx context.Context) (uint64, error) {
		metrics, err := measure.Scrape(ctx, updater.URL+"/metrics")
		done, _ := metrics.Observed("vpa_updater_execution_latency_seconds", measure.Labels{"step": "total"})
		return done, err
	}
	first, err := count(t.Context())
	require.NoError(t, err)
	eventually(t, fmt.Sprintf("%d rounds of the updater", n), func(ctx context.Context) error {
		now, err := count(ctx)
		if err == nil && now < first+n {
			err = fmt.Errorf("%d so far", now-first)
		}
		return err
	})
}
