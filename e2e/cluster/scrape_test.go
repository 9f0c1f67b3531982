package cluster

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster/runs"
)

func TestARealNodesNamespacesAreScrapedOnceEach(t *testing.T) {
	c := &Cluster{folder: &runs.Folder{Path: t.TempDir()}, options: Options{Node: &Node{}}}
	path, err := c.writePrometheusConfig("prometheus", Prometheus{
		Env: "prod", Interval: 5 * time.Second, Disguises: []Disguise{{Namespace: "of.dev", Env: "dev", As: "store"}},
	})
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)

	type rule struct {
		From        []string `json:"source_labels"`
		Regex       string
		Action      string
		To          string `json:"target_label"`
		Replacement string
	}
	var config struct {
		Global struct {
			Interval string `json:"scrape_interval"`
			Timeout  string `json:"scrape_timeout"`
		}
		Jobs []struct {
			Name    string `json:"job_name"`
			Path    string `json:"metrics_path"`
			Targets []struct {
				Targets []string
				Labels  map[string]string
			} `json:"static_configs"`
			Rules []rule `json:"metric_relabel_configs"`
		} `json:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal(text, &config))
	require.Equal(t, "5s", config.Global.Interval)
	require.Equal(t, "5s", config.Global.Timeout, "no longer than the interval")
	require.Len(t, config.Jobs, 2)
	for i, env := range []string{"prod", "dev"} {
		job := config.Jobs[i]
		require.Equal(t, "/metrics/cadvisor", job.Path)
		require.Equal(t, []string{"10.10.0.1:10250"}, job.Targets[0].Targets)
		require.Equal(t, map[string]string{"node": "node-1", "env": env}, job.Targets[0].Labels)
	}
	require.Equal(t, KubeletJob, config.Jobs[0].Name)
	require.Equal(t, []rule{{From: []string{"namespace"}, Regex: `of\.dev`, Action: "drop"}}, config.Jobs[0].Rules)
	require.Equal(t, []rule{
		{From: []string{"namespace"}, Regex: `of\.dev`, Action: "keep"},
		{To: "namespace", Replacement: "store"},
	}, config.Jobs[1].Rules)
}

func TestWithoutAnEnvironmentNothingIsScraped(t *testing.T) {
	c := &Cluster{folder: &runs.Folder{Path: t.TempDir()}, options: Options{Nodes: 2}}
	path, err := c.writePrometheusConfig("prometheus", Prometheus{ExternalLabels: map[string]string{"cluster": "a"}})
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.YAMLEq(t, `{global: {scrape_interval: 15s, scrape_timeout: 10s, external_labels: {cluster: a}}}`, string(text))
}
