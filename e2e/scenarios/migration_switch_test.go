package scenarios

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// there: from upstream to ours. Each pod that is created meanwhile is patched, and by one of them.
func (m *migration) there(t *testing.T) {
	mark, before := m.pods.mark(), m.published.last()
	m.guide.run(t, "stop-upstreams-recommender")
	stop(t, m.theirRecommender)
	m.guide.write(t, "components/without-crds", "components/webhook-staged")
	m.guide.run(t, "stage")
	m.own = m.startOwn(t, "recommender")
	m.hooks.open(t, "webhook")
	m.pods.until(t, upstreams, 20)

	m.guide.run(t, "switch")
	m.pods.until(t, sartors, 20)
	m.guide.run(t, "stop-upstreams-webhook")
	stop(t, m.theirWebhook)
	stopped := time.Now()
	m.pods.until(t, sartors, 20)
	m.guide.write(t, "components/without-crds")
	require.NotContains(t, m.hooks.kubectl(t, "", "kustomize", filepath.Join(m.guide.folder, "sartor")), "kind: CustomResourceDefinition")
	m.guide.run(t, "finish")
	m.pods.until(t, sartors, 20)

	who, pods := m.pods.turns(t, mark)
	t.Logf("pods that each webhook patched in its turn: %q %v", who, pods)
	require.Equal(t, string(upstreams)+string(sartors), who)
	m.isTheManifests(t)
	afterLoops(t, m.own, 2)
	m.published.holds(t, before, aged...)
	eventually(t, "the lease is renewed by ours", func(ctx context.Context) error {
		lease, err := kubeClient(t, m.cluster).CoordinationV1().Leases("kube-system").Get(ctx, "vpa-admission-controller", metav1.GetOptions{})
		if err == nil && (lease.Spec.RenewTime == nil || lease.Spec.RenewTime.Time.Before(stopped)) {
			err = errors.New("it was not renewed since upstream's has stopped")
		}
		return err
	})
}

// startOwn starts our recommender as its Deployment does, with a lease.
func (m *migration) startOwn(t *testing.T, name string) *install.Program {
	r, err := m.ours.StartReplica(t.Context(), name, append([]string{"--checkpoint-interval=2s"}, fast...)...)
	require.NoError(t, err)
	return r
}

// isTheManifests: nothing of upstream's entry is left.
func (m *migration) isTheManifests(t *testing.T) {
	found := m.registered(t, func(w admissionregistrationv1.MutatingWebhook) bool { return w.Name == "vpa.k8s.io" })
	want := m.fromScratch(t)
	for i := range found.Webhooks {
		require.NotEmpty(t, found.Webhooks[i].ClientConfig.CABundle)
		found.Webhooks[i].ClientConfig.CABundle = nil
	}
	require.Equal(t, want.Webhooks, found.Webhooks)
}

// fromScratch is what applying the guide's kustomization would give where there is no configuration.
func (m *migration) fromScratch(t *testing.T) *admissionregistrationv1.MutatingWebhookConfiguration {
	for document := range strings.SplitSeq(m.hooks.kubectl(t, "", "kustomize", filepath.Join(m.guide.folder, "sartor")), "\n---\n") {
		if !strings.Contains(document, "kind: MutatingWebhookConfiguration\n") {
			continue
		}
		built := &admissionregistrationv1.MutatingWebhookConfiguration{}
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), built))
		built.Name = "from-scratch"
		made, err := kubeClient(t, m.cluster).AdmissionregistrationV1().MutatingWebhookConfigurations().Create(t.Context(), built, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		require.NoError(t, err)
		return made
	}
	require.Fail(t, "there is no configuration in deploy/")
	return nil
}

// back: from ours to upstream, whose admission controller registers itself.
func (m *migration) back(t *testing.T) {
	mark, before := m.pods.mark(), m.published.last()
	m.guide.run(t, "start-upstreams-webhook")
	m.theirWebhook = m.startTheirWebhook(t)
	m.pods.until(t, upstreams, 20)
	who, pods := m.pods.turns(t, mark)
	t.Logf("pods that each webhook patched in its turn, n nobody: %q %v", who, pods)
	// Upstream deletes one configuration and creates the other.
	require.Regexp(t, "^sn?u$", who)
	require.Contains(t, m.guide.run(t, "whose"), "https://127.0.0.1:")

	m.guide.run(t, "start-upstreams-recommender")
	stop(t, m.own)
	known := m.samplesIn(t, store)
	m.theirRecommender = m.startTheirs(t)
	eventually(t, "upstream counts on where ours has stopped", func(context.Context) error {
		for name, n := range m.samplesIn(t, store) {
			if n <= known[name] && !strings.HasSuffix(name, "-sartor") {
				return fmt.Errorf("%s has %d samples, as before", name, n)
			}
		}
		return nil
	})
	afterLoops(t, m.theirRecommender, 2)
	m.published.holds(t, before, aged...)
	requireNoErrors(t, m.theirRecommender.LogPath())
	require.True(t, story.Is(m.published.last()["bursty"].vpa, "Capped"), "our conditions stay as they were last")
	m.tellsWhoTookOver(t)
}

// tellsWhoTookOver: ours says that it is not called any more, and is not ready.
func (m *migration) tellsWhoTookOver(t *testing.T) {
	eventually(t, "our webhook notices", func(ctx context.Context) error {
		if answers(ctx, m.hooks.one.URL+"/readyz") == nil {
			return errors.New("it is ready")
		}
		return nil
	})
	log, err := os.ReadFile(m.hooks.one.LogPath())
	require.NoError(t, err)
	require.Contains(t, string(log), "the API server does not call this webhook")
}

// remove: what is left is upstream's.
func (m *migration) remove(t *testing.T) {
	mark, vpas := m.pods.mark(), m.published.last()
	checkpoints := m.samplesIn(t, store)
	m.guide.run(t, "remove")
	m.hooks.one.terminate(t)
	m.pods.until(t, upstreams, 50)
	who, _ := m.pods.turns(t, mark)
	require.Equal(t, string(upstreams), who)
	kinds := strings.Fields(m.hooks.kubectl(t, "", "api-resources", "--verbs=list", "-o=name"))
	all := m.hooks.kubectl(t, "", "get", strings.Join(kinds, ","), "--all-namespaces", "-o=custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name", "--no-headers")
	for line := range strings.Lines(all) {
		kind := strings.Fields(line)[0]
		if !strings.Contains(line, store) && kind != "Event" && kind != "VerticalPodAutoscalerCheckpoint" {
			require.NotContains(t, line, "sartor")
		}
	}
	for name := range vpas {
		if !strings.HasSuffix(name, "-sartor") {
			require.Contains(t, all, name)
			require.Contains(t, m.samplesIn(t, store), name)
		}
	}
	require.Len(t, m.samplesIn(t, store), len(checkpoints))
}
