package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// stage is where commands are run: a cluster, and programs to run them with.
type stage struct {
	root    string // of the tree
	tree    string // a folder with links to what is at the tree's top, in which commands may leave files
	cluster *cluster.Cluster
	sartor  *install.Sartor   // nil until it is installed
	watcher string            // where the Prometheus answers that scrapes both programs; "" until there is one
	wrong   string            // an address of no Prometheus
	bin     string            // folder with the programs that no cluster has
	missing map[string]string // programs that cannot be had, and why
}

// act is a scene: what has to happen before its commands. They play in this order.
type act struct {
	name  string
	begin func(*stage, *testing.T)
}

var scenes = []act{
	{"empty", func(*stage, *testing.T) {}},
	{"empty-helm", (*stage).clean},
	{"demo", (*stage).demo},
	{"conflict", (*stage).fight},
	{"wrong-address", (*stage).misdirect},
	{"wrong-filter", (*stage).misfilter},
}

// newStage starts a cluster in which nothing of ours is, and whose Prometheus knows 8 days of the story.
func newStage(t *testing.T) *stage {
	root, err := install.Root()
	require.NoError(t, err)
	s := &stage{root: root, tree: t.TempDir(), bin: t.TempDir(), missing: map[string]string{}}
	s.link(t)
	s.tools(t)
	blocks := filepath.Join(t.TempDir(), "tsdb")
	recording := history.Recording{End: time.Now().Truncate(time.Minute), Workloads: history.Store()}
	_, err = recording.Write(t.Context(), blocks)
	require.NoError(t, err)
	s.cluster, err = cluster.Start(t.Context(), cluster.Options{
		Name: "docs", Progress: t.Output(), Prometheus: &cluster.Prometheus{Blocks: blocks, Env: story.Environment},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.cluster.KeepLogs()
			t.Logf("logs are in %s", s.cluster.LogDir())
		}
		require.NoError(t, s.cluster.Stop())
	})
	port, err := s.cluster.Port("nobody")
	require.NoError(t, err)
	s.wrong = fmt.Sprintf("http://127.0.0.1:%d", port)
	return s
}

// link makes the folder that looks like the tree's top.
func (s *stage) link(t *testing.T) {
	entries, err := os.ReadDir(s.root)
	require.NoError(t, err)
	for _, entry := range entries {
		require.NoError(t, os.Symlink(filepath.Join(s.root, entry.Name()), filepath.Join(s.tree, entry.Name())))
	}
}

// tools puts promtool and helm beside each other, where they can be had.
func (s *stage) tools(t *testing.T) {
	promtool, err := programs.Promtool(t.Context(), t.Logf)
	if err != nil {
		s.missing["promtool"] = fmt.Sprintf("it is not on this machine, and Debian's cannot be had: %v", err)
	} else {
		require.NoError(t, os.Symlink(promtool, filepath.Join(s.bin, "promtool")))
	}
	for _, program := range []string{"curl", "jq", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			s.missing[program] = "it is not on this machine"
		}
	}
	const capabilities = "-X helm.sh/helm/v3/pkg/chartutil.k8sVersion" // a release knows the newest Kubernetes by its build
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", capabilities+"Major=1 "+capabilities+"Minor=37", "-o", s.bin, "helm.sh/helm/v3/cmd/helm")
	build.Dir = filepath.Join(s.root, "e2e", "docs", "helm")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// clean takes away what an installation by the manifests brought.
func (s *stage) clean(t *testing.T) {
	_, err := s.cluster.Kubectl(t.Context(), "", "delete", "-k", filepath.Join(s.root, "deploy"))
	require.NoError(t, err)
}

// demo is what make demo-up leaves, with a Prometheus that watches the programs.
func (s *stage) demo(t *testing.T) {
	require.NoError(t, s.shell(t.Context(), "helm uninstall sartor --namespace sartor-system --wait").err)
	var err error
	s.sartor, err = install.Run(t.Context(), s.cluster, install.Options{
		Environment: story.Environment, RecommenderArgs: []string{"--recommender-interval=5s"}, Progress: t.Output(),
	})
	require.NoError(t, err)
	s.watch(t)
	told := &story.Story{Cluster: s.cluster}
	require.NoError(t, told.Deploy(t.Context()))
	require.NoError(t, told.Recommend(t.Context()))
	require.NoError(t, told.Renew(t.Context()))
}

// fight lets an HPA scale the candidate on what its VPA recommends.
func (s *stage) fight(t *testing.T) {
	_, err := s.cluster.Kubectl(t.Context(), "", "-n", story.Namespace, "autoscale", "deployment", story.Candidate, "--cpu=80%", "--max=2")
	require.NoError(t, err)
}

// misdirect starts the recommender again with an address at which there is no Prometheus, and makes a VPA of which it knows
// nothing yet.
func (s *stage) misdirect(t *testing.T) {
	require.NoError(t, s.sartor.Recommender.Kill())
	require.NoError(t, s.sartor.StartRecommender(t.Context(), "--prometheus-address="+s.wrong))
	for _, args := range [][]string{{"create", "namespace", "late"}, {"-n", "late", "apply", "-f", filepath.Join(s.root, "e2e", "story", "hello.yaml")}} {
		_, err := s.cluster.Kubectl(t.Context(), "", args...)
		require.NoError(t, err)
	}
}

// misfilter starts the recommender again with a filter by a label that there is not.
func (s *stage) misfilter(t *testing.T) {
	require.NoError(t, s.sartor.Recommender.Kill())
	require.NoError(t, s.sartor.StartRecommender(t.Context(), "--prometheus-env-label=environment"))
}

// watch starts the Prometheus of which runbooks ask what the programs count.
func (s *stage) watch(t *testing.T) {
	path, err := programs.Prometheus(t.Context(), t.Logf)
	require.NoError(t, err)
	port, err := s.cluster.Port("watcher")
	require.NoError(t, err)
	dir := t.TempDir()
	config := "scrape_configs:\n"
	for _, p := range []struct{ job, url string }{{"sartor-recommender", s.sartor.RecommenderURL}, {"sartor-admission", s.sartor.AdmissionURL}} {
		config += fmt.Sprintf("- {job_name: %s, scrape_interval: 2s, honor_labels: true, static_configs: [{targets: [%q], labels: {pod: %s}}]}\n",
			p.job, strings.TrimPrefix(p.url, "http://"), p.job)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	address := fmt.Sprintf("127.0.0.1:%d", port)
	s.watcher = "http://" + address
	_, err = s.cluster.StartProcess(t.Context(), cluster.Program{
		Name: "watcher", Path: path,
		Args: []string{
			"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--web.listen-address=" + address,
			"--storage.tsdb.path=" + filepath.Join(dir, "data"), "--log.level=warn",
		},
		Ready:        func(ctx context.Context) error { return s.shell(ctx, "curl -sf "+s.watcher+"/-/ready").err },
		ReadyTimeout: time.Minute,
	})
	require.NoError(t, err)
}

// here are commands as they are where both programs are processes, and not pods.
func (s *stage) here() *strings.Replacer {
	log := func(program string) string { return "cat " + filepath.Join(s.cluster.LogDir(), program+".log") }
	return strings.NewReplacer(
		"kubectl -n sartor-system logs deploy/sartor-recommender --previous", log("recommender"),
		"kubectl -n sartor-system logs deploy/sartor-recommender", log("recommender"),
		"kubectl -n sartor-system logs -l app.kubernetes.io/name=sartor-admission --tail=-1", log("admission"),
		"kubectl -n kube-system logs -l component=kube-apiserver --tail=-1", log("kube-apiserver"),
		"kubectl -n sartor-system port-forward deploy/sartor-recommender 8942 &", "true",
		"kubectl -n sartor-system port-forward deploy/sartor-admission 8944 &", "true",
	)
}

// addresses are pairs: one of the documentation, and what it is here.
func (s *stage) addresses() [][2]string {
	pairs := [][2]string{
		{"http://prometheus.monitoring.svc:9090", s.cluster.PrometheusURL()}, {"http://localhost:9090", s.cluster.PrometheusURL()},
		{"http://prometheus.monitoring.svc:9099", s.wrong},
	}
	if s.sartor != nil {
		pairs = append(pairs, [2]string{"http://localhost:8942", s.sartor.RecommenderURL}, [2]string{"http://localhost:8944", s.sartor.AdmissionURL})
	}
	return pairs
}

// result is what came of a command.
type result struct {
	out string // of both its outputs
	err error
}

// run runs a command of the documentation. What it prints has the documentation's addresses again.
func (s *stage) run(ctx context.Context, c command) result {
	text := s.here().Replace(c.text)
	for _, pair := range s.addresses() {
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	r := s.shell(ctx, text)
	for _, pair := range s.addresses() {
		r.out = strings.ReplaceAll(r.out, pair[1], pair[0])
	}
	return r
}

// shell runs a command as somebody does who stands at the tree's top. A part of a pipe that fails fails it, but for a search
// that finds nothing.
func (s *stage) shell(ctx context.Context, text string) result {
	cmd := exec.Command("bash", "-c", "set -euo pipefail\ngrep() { command grep \"$@\" || [ $? = 1 ]; }\n"+text)
	cmd.Dir = s.tree
	path := strings.Join([]string{s.bin, filepath.Dir(s.cluster.KubectlPath()), filepath.Join(s.cluster.Dir(), "bin"), os.Getenv("PATH")}, ":")
	cmd.Env = process.Environ("PATH="+path, "KUBECONFIG="+s.cluster.Kubeconfig(), "KUBECACHEDIR="+filepath.Join(s.bin, "cache"),
		"HELM_CACHE_HOME="+s.bin, "HELM_CONFIG_HOME="+s.bin, "HELM_DATA_HOME="+s.bin, "PROMETHEUS="+s.watcher, "TZ=UTC")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := process.Run(ctx, cmd)
	return result{out.String(), err}
}
