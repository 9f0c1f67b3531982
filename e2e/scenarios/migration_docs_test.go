package scenarios

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/install"
)

// guide is docs/migration.md, whose commands are run as they are written there.
type guide struct {
	cluster *cluster.Cluster
	folder  string            // in which they are run
	steps   map[string]string // the commands of each step, by its name
}

// guideStep is a block of commands with a name, which a comment before it gives.
var guideStep = regexp.MustCompile("(?s)<!-- run: ([a-z-]+) -->\n```sh\n(.*?)```")

// guideBlock is the beginning of any block of commands.
var guideBlock = regexp.MustCompile("<!-- (?:run: [a-z-]+|not run: [^\n]+) -->\n```sh\n")

func readGuide(t *testing.T, c *cluster.Cluster) *guide {
	root, err := install.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "migration.md"))
	require.NoError(t, err)
	g := &guide{cluster: c, folder: c.Dir(), steps: map[string]string{}}
	require.Len(t, guideBlock.FindAllString(string(text), -1), strings.Count(string(text), "```sh\n"), "each block is run, or says why not")
	for _, m := range guideStep.FindAllStringSubmatch(string(text), -1) {
		require.NotContains(t, g.steps, m[1])
		g.steps[m[1]] = m[2]
	}
	return g
}

// run runs a step's commands, and returns what they print. All of them must succeed.
func (g *guide) run(t *testing.T, name string) string {
	t.Helper()
	require.Contains(t, g.steps, name)
	commands := g.steps[name]
	delete(g.steps, name) // each is run once
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir = g.folder
	cmd.Env = process.Environ("KUBECONFIG="+g.cluster.Kubeconfig(), "KUBECACHEDIR="+filepath.Join(g.folder, "kubectl-cache"),
		"PATH="+filepath.Dir(g.cluster.KubectlPath())+string(os.PathListSeparator)+filepath.Join(g.folder, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := process.Run(t.Context(), cmd)
	t.Logf("%s%s", commands, out.String())
	require.NoError(t, err, "%s\n%s", commands, out.String())
	return out.String()
}

// patient lets a busy machine take longer for a pod than anybody would wait for: who is called is tested, not how fast.
const patient = `
patches:
- target: {kind: MutatingWebhookConfiguration}
  patch: |
    - {op: replace, path: /webhooks/0/timeoutSeconds, value: 20}
`

// write writes the kustomization sartor/ of the guide, for a cluster of simulated nodes: deploy/ and these components of it.
func (g *guide) write(t *testing.T, components ...string) {
	t.Helper()
	root, err := install.Root()
	require.NoError(t, err)
	folder := filepath.Join(g.folder, "sartor")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	folder, err = filepath.EvalSymlinks(folder)
	require.NoError(t, err)
	var text strings.Builder
	text.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../deploy]\ncomponents:\n")
	for _, component := range components {
		path, err := filepath.Rel(folder, filepath.Join(root, "deploy", component))
		require.NoError(t, err)
		text.WriteString("- " + path + "\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text.String()+patient), 0o644))
}

// wouldSay is what our recommender explains that it would recommend for a VPA, from checkpoints alone.
func (m *migration) wouldSay(t *testing.T, vpa string) recommendation {
	t.Helper()
	out, err := explained(t.Context(), m.cluster, store+"/"+vpa, "--kubeconfig="+m.cluster.Kubeconfig(), "-o", "json")
	require.NoError(t, err)
	var e explanation
	require.NoError(t, json.Unmarshal([]byte(out), &e))
	would := recommendation{values: map[string]float64{}}
	for _, c := range e.Containers {
		for _, r := range c.Resources {
			require.NotNil(t, r.Target, "%s of %s: %s", r.Resource, vpa, out)
			would.values[c.Name+" target "+r.Resource] = r.Target.AsApproximateFloat64()
		}
	}
	return would
}
