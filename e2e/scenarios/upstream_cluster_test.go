package scenarios

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

const taken = "taken" // namespace of the workloads that change recommenders

// takenServices have lived under upstream for days, but for one.
var takenServices = []service{
	{name: "steady", cpu: "300m", memory: "700Mi", past: []cycle{{1, 300, 700 << 20}}},
	// It is quiet now: whoever forgets its past recommends a tenth.
	{name: "bursty", cpu: "60m", memory: "300Mi", past: []cycle{{0.8, 60, 300 << 20}, {0.2, 1400, 2 << 30}}},
	{name: "fresh", cpu: "450m", memory: "900Mi"},
}

// old are those with a past, whose bounds do not move any more. Those of the others come nearer with every sample.
var old = []string{"steady", "bursty"}

func TestUpstreamsProgramsAndOursWorkTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	c := start(t, cluster.Options{Name: "upstream", Audit: true})
	theirs, err := install.PrepareUpstream(t.Context(), c, t.Output())
	require.NoError(t, err)
	ours, err := install.Prepare(t.Context(), c, install.Options{Race: true, Progress: t.Output()})
	require.NoError(t, err)
	p := &programs{cluster: c, ours: ours, theirs: theirs, published: record(t, c)}

	t.Run("each recommender goes on where the other stopped", p.takeOver)
	t.Run("upstream's updater evicts a pod once and is then content", p.evictOnce)
	t.Run("an OOM kill and an eviction raise memory as they do upstream", p.outOfMemory)
	t.Run("the second replica takes over when the first is killed", p.secondReplica)
	t.Run("a crash of the API server passes", p.apiServerCrash)
}

// programs are ours and upstream's on one cluster. Each test starts what it needs and stops it again.
type programs struct {
	cluster   *cluster.Cluster
	ours      *install.Sartor
	theirs    *install.Upstream
	published *recorder
}

// round is how often recommenders go round, though usage is new only every ten seconds.
const round = 2 * time.Second

var fast = []string{"--recommender-interval=" + round.String()}

func (p *programs) startOurs(t *testing.T, args ...string) *install.Program {
	t.Helper()
	args = append([]string{"--leader-elect=false"}, append(fast, args...)...)
	r, err := p.ours.StartReplica(t.Context(), "recommender", args...)
	require.NoError(t, err)
	return r
}

func (p *programs) startTheirs(t *testing.T, args ...string) *install.Program {
	t.Helper()
	r, err := p.theirs.StartRecommender(t.Context(), append(args, fast...)...)
	require.NoError(t, err)
	return r
}

func stop(t *testing.T, programs ...*install.Program) {
	t.Helper()
	for _, p := range programs {
		require.NoError(t, p.Stop(t.Context()))
	}
}

// takeOver: upstream, then ours, then upstream again, and nothing that is published moves.
func (p *programs) takeOver(t *testing.T) {
	deploy(t, p.cluster, taken, takenServices...)
	before := p.samples(t)

	upstream := p.startTheirs(t)
	p.sampled(t, "upstream", func(name string) int { return before[name] + 2 })
	afterLoops(t, upstream, 2) // what the last checkpoint has is published then, too
	stop(t, upstream)
	byUpstream, known := p.published.last(), p.samples(t)

	own := p.startOurs(t, "--checkpoint-interval=2s")
	p.sampled(t, "ours", func(name string) int { return known[name] + 2 })
	afterLoops(t, own, 2)
	stop(t, own)
	p.published.holds(t, byUpstream, old...)
	for _, s := range takenServices {
		for _, r := range p.published.since(s.name, byUpstream[s.name]) {
			require.False(t, story.Is(r.vpa, vpav1.FetchingHistory), "%s: %v", s.name, r.vpa.Status.Conditions)
		}
	}
	byOurs, known := p.published.last(), p.samples(t)

	upstream = p.startTheirs(t)
	p.sampled(t, "upstream again", func(name string) int { return known[name] + 1 })
	afterLoops(t, upstream, 2)
	stop(t, upstream)
	p.published.holds(t, byOurs, old...)
	requireNoErrors(t, upstream.LogPath())
}

// samples is how many samples each checkpoint of the namespace has.
func (p *programs) samples(t *testing.T) map[string]int {
	list, err := vpaClient(t, p.cluster).AutoscalingV1().VerticalPodAutoscalerCheckpoints(taken).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	samples := map[string]int{}
	for _, c := range list.Items {
		samples[c.Spec.VPAObjectName] = c.Status.TotalSamplesCount
	}
	return samples
}

// sampled waits until each service's checkpoint has at least so many samples.
func (p *programs) sampled(t *testing.T, who string, atLeast func(name string) int) {
	t.Helper()
	eventually(t, who+" counts samples on", func(context.Context) error {
		samples := p.samples(t)
		for _, s := range takenServices {
			if samples[s.name] < atLeast(s.name) {
				return fmt.Errorf("%s has %d samples and not %d yet", s.name, samples[s.name], atLeast(s.name))
			}
		}
		return nil
	})
}

// errorLine is how klog begins a line of severity error or worse.
var errorLine = regexp.MustCompile(`(?m)^[EF][0-9]{4} .*$`)

// requireNoErrors: upstream's program has complained of nothing.
func requireNoErrors(t *testing.T, log string) {
	t.Helper()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "Loading checkpoint for VPA", "the log is what it is taken for")
	var complaints [][]byte
	for _, line := range errorLine.FindAll(text, -1) {
		// A pod may have ended since metrics-server saw it.
		if !bytes.Contains(line, []byte("KeyError")) {
			complaints = append(complaints, line)
		}
	}
	require.Empty(t, string(bytes.Join(complaints, []byte("\n"))))
}

// untilPublished waits until the condition holds of what a VPA says.
func (p *programs) untilPublished(t *testing.T, name string, condition func(recommendation) error) recommendation {
	t.Helper()
	var r recommendation
	eventually(t, "VPA "+name, func(context.Context) error {
		var ok bool
		if r, ok = p.published.last()[name]; !ok {
			return errors.New("is not there yet")
		}
		if len(r.values) == 0 {
			return fmt.Errorf("has no recommendation yet: %v", r.vpa.Status.Conditions)
		}
		return condition(r)
	})
	return r
}
