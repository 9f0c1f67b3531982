package scenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

const store = "store" // namespace of the workloads in docs/migration.md

// movedServices are recommended for by upstream first. The webhooks give shop limits that differ.
var movedServices = []service{
	{name: "shop", cpu: "300m", memory: "700Mi", past: []cycle{{1, 300, 700 << 20}}, resources: "requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 1500m, memory: 1Gi}"},
	{name: "bursty", cpu: "60m", memory: "300Mi", past: []cycle{{0.8, 60, 300 << 20}, {0.2, 1400, 2 << 30}},
		more: "resourcePolicy: {containerPolicies: [{containerName: app, maxAllowed: {cpu: 1500m}}]}"},
}

// aged are those whose bounds do not move any more: all of them.
var aged = []string{"shop", "bursty"}

// upstreamsDeployments stand for upstream's on a cluster whose nodes run nothing: the programs are processes, and what the
// guide does to a Deployment the test does to its process.
const upstreamsDeployments = `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: kube-system}
spec:
  replicas: 1
  selector: {matchLabels: {app: %[1]s}}
  template: {metadata: {labels: {app: %[1]s}}, spec: {containers: [{name: app, image: "app:1"}]}}
`

// migration is a cluster that goes from upstream's programs to ours and back, by docs/migration.md.
type migration struct {
	*programs
	hooks *hooks
	guide *guide
	pods  *prober

	theirRecommender, theirWebhook, updater *install.Program
	own                                     *install.Program // recommender
}

func TestUpstreamIsLeftAndReturnedToWithoutAGap(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	m := upstreamWorks(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"what will change is told before, and nothing is touched", m.lookBefore},
		{"copies of VPAs are recommended for side by side", m.sideBySide},
		{"there", m.there},
		{"a new version of ours, and back to the old one", m.upgrade},
		{"and back", m.back},
		{"what is ours is removed, and VPAs, checkpoints and upstream's webhook stay", m.remove},
	} {
		require.True(t, t.Run(step.name, step.do))
	}
	require.Empty(t, m.guide.steps, "commands of the guide that were not run")
	for _, s := range movedServices {
		require.Zero(t, evictedOf(t, m.updater, s.name), "pods of %s that upstream's updater evicted meanwhile", s.name)
	}
}

// upstreamWorks is a cluster on which upstream's programs do all the work, and pods run as they recommend.
func upstreamWorks(t *testing.T) *migration {
	c := start(t, cluster.Options{Name: "migration", Nodes: 1, Audit: true})
	theirs, err := install.PrepareUpstream(t.Context(), c, t.Output())
	require.NoError(t, err)
	ours, err := install.Prepare(t.Context(), c, install.Options{Race: true, Progress: t.Output()})
	require.NoError(t, err)
	h := hooksOf(t, c)
	m := &migration{programs: &programs{cluster: c, ours: ours, theirs: theirs, published: record(t, c)}, hooks: h, guide: readGuide(t, c)}

	m.theirWebhook = m.startTheirWebhook(t)
	var deployments strings.Builder
	for _, name := range []string{"vpa-recommender", "vpa-updater", "vpa-admission-controller"} {
		fmt.Fprintf(&deployments, upstreamsDeployments, name)
	}
	h.kubectl(t, deployments.String(), "apply", "-f", "-")
	deploy(t, c, store, movedServices...)
	pod := h.pod(t, "shop")
	m.theirRecommender = m.startTheirs(t)
	m.buildNext(t) // while upstream's webhook waits before it registers itself
	for _, name := range aged {
		m.untilPublished(t, name, func(recommendation) error { return nil })
	}
	m.registered(t, func(w admissionregistrationv1.MutatingWebhook) bool { return w.ClientConfig.URL != nil })
	h.kubectl(t, "", "-n", store, "delete", "pods", "--all", "--wait=false")
	eventually(t, "all pods are as upstream patched them", func(context.Context) error { return m.allPatched(t) })
	m.updater, err = theirs.StartUpdater(t.Context(), "--vpa-object-namespace="+store, "--updater-interval=2s", "--min-replicas=1", "--eviction-tolerance=1")
	require.NoError(t, err)
	m.pods = probe(t, h, pod)
	m.pods.until(t, upstreams, 20)
	return m
}

func (m *migration) startTheirWebhook(t *testing.T) *install.Program {
	p, err := m.theirs.StartAdmission(t.Context())
	require.NoError(t, err)
	return p
}

// allPatched is nil when all pods there are have been patched.
func (m *migration) allPatched(t *testing.T) error {
	pods, err := kubeClient(t, m.cluster).CoreV1().Pods(store).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(pods.Items) != 2*len(movedServices) {
		return fmt.Errorf("%d pods", len(pods.Items))
	}
	for _, pod := range pods.Items {
		if err := patched(&pod); err != nil {
			return err
		}
	}
	return nil
}

// registered waits until the first webhook of vpa-webhook-config is such, and returns the configuration.
func (m *migration) registered(t *testing.T, such func(admissionregistrationv1.MutatingWebhook) bool) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	var found *admissionregistrationv1.MutatingWebhookConfiguration
	eventually(t, "vpa-webhook-config is written", func(ctx context.Context) (err error) {
		found, err = kubeClient(t, m.cluster).AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "vpa-webhook-config", metav1.GetOptions{})
		if err == nil && (len(found.Webhooks) == 0 || !such(found.Webhooks[0])) {
			err = fmt.Errorf("it is %+v", found.Webhooks)
		}
		return err
	})
	return found
}

// evictedOf is how many pods of a VPA upstream's updater has evicted.
func evictedOf(t *testing.T, updater *install.Program, vpa string) float64 {
	metrics, err := measure.Scrape(t.Context(), updater.URL+"/metrics")
	require.NoError(t, err)
	return metrics.Value("vpa_updater_evicted_pods_total", measure.Labels{"vpa_name": vpa})
}

// lookBefore: our recommender explains what it would make of upstream's checkpoints.
func (m *migration) lookBefore(t *testing.T) {
	m.guide.run(t, "look")
	table := m.guide.run(t, "explain")
	require.Contains(t, table, "published target")
	now := m.published.last()
	for _, name := range aged {
		would := m.wouldSay(t, name)
		require.Empty(t, moved(recommendation{values: targets(now[name])}, would, false), "VPA %s", name)
	}
}

// targets are a recommendation's targets alone.
func targets(r recommendation) map[string]float64 {
	only := map[string]float64{}
	for _, name := range []string{"app target cpu", "app target memory"} {
		only[name] = r.values[name]
	}
	return only
}

// sideBySide: ours, under another name, says of copies what upstream says of the VPAs, and touches nothing else.
func (m *migration) sideBySide(t *testing.T) {
	mark, before := m.pods.mark(), m.published.last()
	m.guide.run(t, "copy")
	own := m.startOurs(t, "--recommender-name=sartor", "--checkpoints-gc-interval=2s")
	for _, s := range movedServices {
		copied := m.untilPublished(t, s.name+"-sartor", func(recommendation) error { return nil })
		require.Empty(t, moved(recommendation{values: targets(before[s.name])}, copied, false), "the copy of VPA %s", s.name)
	}
	afterLoops(t, own, 2)
	m.guide.run(t, "see-both")
	stop(t, own)
	m.guide.run(t, "delete-copies")
	for _, s := range movedServices {
		require.Contains(t, m.samplesIn(t, store), s.name, "upstream's checkpoint is there")
	}
	m.published.holds(t, before, aged...)
	who, _ := m.pods.turns(t, mark)
	require.Equal(t, string(upstreams), who)
}

// samplesIn is how many samples each checkpoint of a namespace has, by its VPA.
func (m *migration) samplesIn(t *testing.T, namespace string) map[string]int {
	list, err := vpaClient(t, m.cluster).AutoscalingV1().VerticalPodAutoscalerCheckpoints(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	samples := map[string]int{}
	for _, c := range list.Items {
		samples[c.Spec.VPAObjectName] = c.Status.TotalSamplesCount
	}
	return samples
}
