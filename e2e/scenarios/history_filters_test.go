package scenarios

import (
	"net/http"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/history"
)

// bothWays are the ways to read: as the server lets it be read, and without remote read.
var bothWays = map[string][]func(http.Handler) http.Handler{"stream": nil, "range": {withoutRemoteRead}}

// requireWay: what was read by one of the ways is what live metrics would have given, to the unit or, at 1m, to a bucket.
func requireWay(t *testing.T, way string, r history.Recording, w history.Workload, got recommendation) {
	t.Helper()
	if way == "stream" {
		requireOracle(t, r, w, got)
		return
	}
	requireNear(t, r, w, got, bucket)
}

// isShared: dev has the same pods as prod and uses ten times as much; stage uses as much as both. Whichever way it is
// filtered, what comes out is as if they were not there. Each of the operators is needed for that.
func (l *library) isShared(t *testing.T) {
	recording := history.Recording{Workloads: []history.Workload{
		of("shop-api", "prod", 1), of("shop-api", "dev", 10), of("shop-api", "stage", 11), of("shop-api", "stage-2", 12),
	}}
	p := l.prometheus(t, "shared", cluster.Prometheus{Blocks: write(t, &recording)})
	for way, layers := range bothWays {
		for name, args := range map[string][]string{
			"label":    {environmentFilter},
			"matchers": {`--prometheus-matcher=env=~"prod|dev|stage"`, `--prometheus-matcher=env!="dev"`, `--prometheus-matcher=env!~"st.*"`, `--prometheus-matcher=job="kubelet"`},
		} {
			vpa := "shared-" + name + "-" + way
			r := l.recommender(t, visitor{name: vpa, address: between(t, p.url, layers...), env: "prod", args: append(args, "--history-resolution=1m")})
			l.vpa(t, vpa, vpa, history.Deployment, "shop-api")
			requireWay(t, way, recording, recording.Workloads[0], l.loaded(t, vpa))
			require.NoError(t, r.Kill())
		}
	}
}

// hasHostileEnvironments: values with all that means something in PromQL or in a pattern, each with neighbours that it would
// mean as a pattern, and that use ten times as much.
func (l *library) hasHostileEnvironments(t *testing.T) {
	hostile := []struct {
		env        string
		neighbours []string
	}{
		{`p.*d|{"eu"}$`, []string{"prod", `{"eu"}`}},
		{`a\d+"} or {env="b`, []string{"a1", "b", `a\\d+"} or {env="b`}},
		{`.+`, []string{".", "++"}},
	}
	recording := history.Recording{}
	for _, h := range hostile {
		recording.Workloads = append(recording.Workloads, of("nightly", h.env, 1))
		for _, n := range h.neighbours {
			recording.Workloads = append(recording.Workloads, of("nightly", n, 10))
		}
	}
	p := l.prometheus(t, "hostile", cluster.Prometheus{Blocks: write(t, &recording)})
	for i, h := range hostile {
		for way, layers := range bothWays {
			vpa := "hostile-" + string(rune('a'+i)) + "-" + way
			r := l.recommender(t, visitor{name: vpa, address: between(t, p.url, layers...), env: h.env, args: []string{environmentFilter, "--history-resolution=1m"}})
			l.vpa(t, vpa, vpa, history.Deployment, "nightly")
			requireWay(t, way, recording, workload(recording, h.env, "nightly"), l.loaded(t, vpa))
			require.NoError(t, r.Kill())
		}
	}
}

// hasNothingOfOurs: the condition says so, with the filter and what there is instead; and a recommender that does not know
// its environment does not start.
func (l *library) hasNothingOfOurs(t *testing.T) {
	recording := history.Recording{Workloads: []history.Workload{of("nightly", "prod", 1), of("nightly", "dev", 10)}}
	p := l.prometheus(t, "nothing", cluster.Prometheus{Blocks: write(t, &recording)})
	r := l.recommender(t, visitor{name: "nothing", address: p.url, env: "pord", args: []string{environmentFilter}})
	l.vpa(t, "nothing", "nothing", history.Deployment, "nightly")
	got := l.trouble(t, "nothing", `none that match {env="pord"}`, `env is "dev" or "prod"`, "$K8S_ENVIRONMENT", "external_labels")
	require.Empty(t, got.values)
	afterLoops(t, r, 2)

	cmd := exec.Command(l.Dir()+"/bin/recommender", environmentFilter, "--prometheus-address="+p.url, "--kubeconfig="+l.Kubeconfig())
	cmd.Env = process.Environ("K8S_ENVIRONMENT=")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Contains(t, string(out), "$K8S_ENVIRONMENT is empty")
}

// hasExternalLabels: a label that Prometheus adds to what leaves it is on none of its series, and matches in remote read only.
func (l *library) hasExternalLabels(t *testing.T) {
	recording := history.Recording{Workloads: []history.Workload{of("nightly", "prod", 1)}}
	p := l.prometheus(t, "external", cluster.Prometheus{Blocks: write(t, &recording), ExternalLabels: map[string]string{"region": "eu"}})
	filter := "--prometheus-env-label=region"
	l.recommender(t, visitor{name: "external", address: p.url, env: "eu", args: []string{filter}})
	l.recommender(t, visitor{name: "external-other", address: p.url, env: "us", args: []string{filter}})
	l.recommender(t, visitor{name: "external-range", address: between(t, p.url, withoutRemoteRead), env: "eu", args: []string{filter}})
	for _, vpa := range []string{"external", "external-other", "external-range"} {
		l.vpa(t, vpa, vpa, history.Deployment, "nightly")
	}
	requireOracle(t, recording, recording.Workloads[0], l.loaded(t, "external"))
	for _, vpa := range []string{"external-other", "external-range"} {
		require.Empty(t, l.trouble(t, vpa, "none has a label region", "external_labels").values)
	}
}
