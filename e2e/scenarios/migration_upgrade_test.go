package scenarios

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// hooksOf are replicas of the webhook as it was installed, and the way from the API server to them. None runs yet.
func hooksOf(t *testing.T, c *cluster.Cluster) *hooks {
	h := &hooks{cluster: c}
	args := h.kubectl(t, "", "-n", install.Namespace, "get", "deployment", "sartor-admission", "-o=jsonpath={.spec.template.spec.containers[0].args}")
	require.NoError(t, json.Unmarshal([]byte(args), &h.args))
	h.called = watchEndpoints(t)
	h.way = startRelay(t, h.at(t, "admission"), h.called.pick)
	return h
}

// open starts a replica, which is called from then on.
func (h *hooks) open(t *testing.T, name string) {
	t.Helper()
	h.one = h.started(t, name)
	h.called.set(h.one)
	h.called.look(t.Context())
}

// The versions of ours that a cluster has: what was installed, and the next.
const (
	installed = "devel"
	next      = "v99.0.0"
)

// buildNext builds the next version beside the installed one.
func (m *migration) buildNext(t *testing.T) {
	bin := filepath.Join(m.cluster.Dir(), "bin")
	for _, version := range []string{installed, next} {
		require.NoError(t, os.MkdirAll(filepath.Join(bin, version), 0o755))
	}
	for _, program := range []string{"recommender", "admission"} {
		require.NoError(t, os.Link(filepath.Join(bin, program), filepath.Join(bin, installed, program)))
	}
	root, err := install.Root()
	require.NoError(t, err)
	cmd := exec.Command("go", "build", "-race", "-ldflags=-X github.com/sartor-vpa/sartor/pkg/version.number="+next,
		"-o", filepath.Join(bin, next)+string(filepath.Separator), "./recommender", "./admission")
	cmd.Dir = root
	require.NoError(t, process.Run(t.Context(), cmd))
}

// use makes a version the one that is started from now on, and leaves what runs alone.
func (m *migration) use(t *testing.T, version string) {
	bin := filepath.Join(m.cluster.Dir(), "bin")
	for _, program := range []string{"recommender", "admission"} {
		require.NoError(t, os.Remove(filepath.Join(bin, program)))
		require.NoError(t, os.Link(filepath.Join(bin, version, program), filepath.Join(bin, program)))
	}
}

// upgrade: rollouts from one version to the next and back move no recommendation and leave no pod unpatched.
func (m *migration) upgrade(t *testing.T) {
	mark, before := m.pods.mark(), m.published.last()
	m.use(t, next)
	standby := m.startOwn(t, "recommender-next")
	leader := m.holder(t, "")
	stop(t, m.own)
	m.holder(t, leader)
	m.own = standby
	m.rollOut(t, next)

	m.use(t, installed)
	stop(t, m.own)
	m.noteInCheckpoints(t)
	m.own = m.startOwn(t, "recommender-again")
	m.rollOut(t, installed)
	afterLoops(t, m.own, 2)
	m.published.holds(t, before, aged...)
	who, pods := m.pods.turns(t, mark)
	require.Equal(t, string(sartors), who, "%v pods", pods)
	log, err := os.ReadFile(m.own.LogPath())
	require.NoError(t, err)
	for _, s := range movedServices {
		require.Regexp(t, `Restored from checkpoints.*"`+s.name+`"`, string(log))
	}
}

// rollOut replaces the webhook as its Deployment does: the new one is ready, and then the old one ends. Both programs are
// of that version then.
func (m *migration) rollOut(t *testing.T, version string) {
	old := m.hooks.one
	m.hooks.open(t, "webhook-"+version)
	m.pods.until(t, sartors, 20)
	old.terminate(t)
	m.pods.until(t, sartors, 20)
	for _, p := range []*install.Program{m.own, m.hooks.one.Program} {
		metrics, err := measure.Scrape(t.Context(), p.URL+"/metrics")
		require.NoError(t, err)
		require.EqualValues(t, 1, metrics.Value("sartor_build_info", measure.Labels{"version": version}), p.Name())
	}
}

// noteInCheckpoints adds to our annotations of all checkpoints what a version that is to come may add, and this one does
// not know.
func (m *migration) noteInCheckpoints(t *testing.T) {
	checkpoints := vpaClient(t, m.cluster).AutoscalingV1().VerticalPodAutoscalerCheckpoints(store)
	list, err := checkpoints.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, c := range list.Items {
		var note map[string]any
		require.NoError(t, json.Unmarshal([]byte(c.Annotations["sartor.dev/checkpoint"]), &note))
		note["later"] = map[string]any{"more": 1}
		text, err := json.Marshal(note)
		require.NoError(t, err)
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"sartor.dev/checkpoint":%q}}}`, text)
		_, err = checkpoints.Patch(t.Context(), c.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(t, err)
	}
}
