package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// question is one that a dashboard or a rule asks.
type question struct {
	from, expr string
	// legend is what names the series of an answer, with labels like {{pod}}.
	legend string
}

// ofDashboards are the queries of all panels, as Grafana sends them for the story's namespace and VPA.
func ofDashboards(t *testing.T) (all []question) {
	paths, err := filepath.Glob(files(t, "dashboards", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		var d struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr, LegendFormat string }
			}
			Templating struct {
				List []struct{ Name, Type, Query string }
			}
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &d))
		chosen := chosenIn(filepath.Base(path))
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all = append(all, question{d.Title + ": " + p.Title, chosen.Replace(target.Expr), target.LegendFormat})
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Query)
				require.NotNil(t, m, v.Query)
				all = append(all, question{d.Title + ": the choice of " + v.Name, "count by (" + m[2] + ") (" + chosen.Replace(m[1]) + ")", ""})
			}
		}
	}
	return all
}

// chosenIn is what is chosen in the lists of a dashboard: everything, where that can be. Rates reach back over all of the test.
func chosenIn(file string) *strings.Replacer {
	chosen := []string{"$__rate_interval", "10m", "$__range", "1h", "$cluster", ".*", "$env", "prod", "$vpa", "shop", "$container", ".+"}
	namespace := ".*"
	if file == "sartor-workload.json" {
		namespace = "store"
	}
	return strings.NewReplacer(append(chosen, "$namespace", namespace)...)
}

// ofRules are the expressions of all rules.
func ofRules(t *testing.T) (all []question) {
	text, err := os.ReadFile(files(t, "prometheus", "rules.yaml"))
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Record, Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all = append(all, question{"rule " + r.Record + r.Alert, r.Expr, ""})
		}
	}
	require.NotEmpty(t, all)
	return all
}
