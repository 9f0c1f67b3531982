package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// kills is how often the recommender dies in one test.
const kills = 10

// mortal are the services whose recommendations must survive: a steady one, one that bursts but is quiet now, its
// release candidate, one that runs out of memory, and a new one.
var mortal = []service{
	{name: "steady", cpu: "300m", memory: "700Mi", past: []cycle{{1, 300, 700 << 20}}},
	{name: "bursty", cpu: "60m", memory: "300Mi", past: []cycle{{0.8, 60, 300 << 20}, {0.2, 1400, 2 << 30}}},
	{name: "bursty-rc", cpu: "20m", memory: "100Mi"},
	{name: "killed", cpu: "200m", memory: "500Mi", past: []cycle{{1, 200, 500 << 20}}, resources: "requests: {memory: 800Mi}, limits: {memory: 800Mi}"},
	{name: "fresh", cpu: "450m", memory: "900Mi"},
}

func TestKilledAtAnyMomentNoRecommendationMoves(t *testing.T) {
	if testing.Short() {
		t.Skip("starts clusters")
	}
	t.Parallel()
	t.Run("with live metrics alone", func(t *testing.T) {
		t.Parallel()
		c := start(t, cluster.Options{Name: "kill"})
		killInALoop(t, c, install.Options{}, mortal, 1)
	})
	t.Run("with history in Prometheus", func(t *testing.T) {
		t.Parallel()
		blocks := t.TempDir() + "/tsdb"
		_, err := recorded(mortal).Write(t.Context(), blocks)
		require.NoError(t, err)
		c := start(t, cluster.Options{Name: "kill-history", Prometheus: &cluster.Prometheus{Blocks: blocks, Env: story.Environment}})
		var services []service // whose past only Prometheus knows
		for _, s := range mortal {
			s.past = nil
			services = append(services, s)
		}
		killInALoop(t, c, install.Options{Environment: story.Environment}, services, 2)
	})
}

// recorded is what Prometheus knows of the services that have a past.
func recorded(services []service) history.Recording {
	r := history.Recording{End: time.Now().Truncate(time.Minute)}
	for _, s := range services {
		if s.past == nil {
			continue
		}
		low, high := s.past[0], s.past[len(s.past)-1]
		cpu, memory := history.Steady(low.milli/1000, 0.1), history.Steady(low.bytes, 0.1)
		if len(s.past) > 1 {
			lasting := time.Duration(high.share * float64(time.Hour))
			cpu = history.Bursty(cpu, high.milli/low.milli, time.Hour, lasting)
			memory = history.Bursty(memory, high.bytes/low.bytes, time.Hour, lasting)
		}
		r.Workloads = append(r.Workloads, history.Workload{
			Env: story.Environment, Namespace: doomed, Name: s.name, Kind: history.Deployment, Replicas: 2, Rollout: 24 * time.Hour,
			Containers: []history.Container{{Name: "app", CPU: cpu, Memory: memory}},
		})
	}
	return r
}

const doomed = "doomed" // namespace of the services whose recommender dies

// killInALoop waits until everything is recommended, and then kills the recommender again and again, at random
// moments after it was started: before it has read anything, between its first status and its first checkpoint, in
// the middle of its work.
func killInALoop(t *testing.T, c *cluster.Cluster, o install.Options, services []service, seed uint64) {
	o.Race, o.Progress = true, t.Output()
	sartor, err := install.Prepare(t.Context(), c, o)
	require.NoError(t, err)
	deploy(t, c, doomed, services...)
	deployed := time.Now()
	p := &programs{cluster: c, ours: sartor, published: record(t, c)}
	recommender := p.startOurs(t)
	before := p.allRecommended(t, services)

	killForMemory(t, c, running(t, c, doomed, "app=killed", 2)[0], time.Now())
	target := before["killed"].values["app target memory"]
	before["killed"] = p.untilPublished(t, "killed", func(r recommendation) error {
		if r.values["app target memory"] <= 1.1*target {
			return errors.New("the OOM kill has not raised it yet")
		}
		return nil
	})
	random := rand.New(rand.NewPCG(seed, seed))
	old := []string{"steady", "bursty", "bursty-rc", "killed"}
	for i := range kills {
		before := p.published.last()
		require.NoError(t, recommender.Kill())
		p.flutter(t, i)
		recommender = p.startDying(t, random, i)
		p.published.holds(t, before, old...)
	}
	require.NoError(t, recommender.Kill())
	recommender = p.startOurs(t)
	// What is only held, until as much is known again as was missed, would move after that.
	afterLoops(t, recommender, uint64(time.Since(deployed)/round)+5)
	stop(t, recommender)
	delete(before, "fresh") // of which more is known by now
	p.published.holds(t, before, old...)
	require.Len(t, p.published.last(), len(services))
}

// startDying starts a recommender and lets it live for a moment: some die before they are ready.
func (p *programs) startDying(t *testing.T, random *rand.Rand, i int) *install.Program {
	life := time.Duration(random.ExpFloat64() * float64(3*time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), life)
	defer cancel()
	began := time.Now()
	args := append([]string{"--leader-elect=false"}, fast...)
	recommender, err := p.ours.StartReplica(ctx, "recommender", args...)
	if err != nil && ctx.Err() != nil {
		// It was killed before it was ready. The next kill takes one that lives.
		t.Logf("kill %d: %s after the start, before it was ready", i, time.Since(began).Round(time.Millisecond))
		return p.startOurs(t)
	}
	require.NoError(t, err)
	select {
	case <-recommender.Done():
		require.NoError(t, recommender.Died())
	case <-ctx.Done():
	}
	t.Logf("kill %d: %s after the start", i, time.Since(began).Round(time.Millisecond))
	return recommender
}

// allRecommended waits until every service has a recommendation, the ones with a past from it, the candidate its
// primary's.
func (p *programs) allRecommended(t *testing.T, services []service) map[string]recommendation {
	atLeast := map[string]float64{"steady": 0.3, "bursty": 1.3, "bursty-rc": 1.3, "killed": 0.2, "fresh": 0.45}
	for _, s := range services {
		p.untilPublished(t, s.name, func(r recommendation) error {
			if got := r.values["app target cpu"]; got < atLeast[s.name] {
				return fmt.Errorf("recommends %g cores: %v", got, r.vpa.Status.Conditions)
			}
			return nil
		})
	}
	return p.published.last()
}

// flutter changes what the bursting service uses now, within what it always did.
func (p *programs) flutter(t *testing.T, i int) {
	client := kubeClient(t, p.cluster)
	usage := []string{"60m", "90m", "40m"}[i%3]
	for _, pod := range running(t, p.cluster, doomed, "app=bursty", 2) {
		patch := fmt.Sprintf(`{"metadata": {"annotations": {"usage/cpu": %q}}}`, usage)
		_, err := client.CoreV1().Pods(doomed).Patch(t.Context(), pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(t, err)
	}
}
