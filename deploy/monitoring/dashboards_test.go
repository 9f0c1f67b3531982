package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type dashboard struct {
	UID, Title, Description string
	Tags                    []string
	Templating              struct {
		List []struct{ Name, Label, Type, Query string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ Type, UID string }
	FieldConfig              struct {
		Defaults struct{ Unit string }
	}
	Targets []struct{ RefID, Expr, LegendFormat string }
}

func dashboards(t *testing.T) map[string]dashboard {
	files, err := filepath.Glob("dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(text, &d), file)
		all[filepath.Base(file)] = d
	}
	return all
}

func TestDashboardsAreWellFormed(t *testing.T) {
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		require.Equal(t, strings.TrimSuffix(file, ".json"), d.UID, "links to it go by this")
		require.False(t, uids[d.UID])
		uids[d.UID] = true
		require.NotEmpty(t, d.Title)
		require.NotEmpty(t, d.Description)
		require.Contains(t, d.Tags, "sartor")
		require.Equal(t, "datasource", d.Templating.List[0].Name, "the others ask it")
		require.Equal(t, "datasource", d.Templating.List[0].Type)
		ids := map[int]bool{}
		for _, p := range d.Panels {
			require.False(t, ids[p.ID], "%s: id %d", file, p.ID)
			ids[p.ID] = true
			checkPanel(t, file, p)
		}
		checkVariables(t, file, d)
		checkNothingOverlaps(t, file, d)
	}
}

func checkPanel(t *testing.T, file string, p panel) {
	require.NotEmpty(t, p.Title, file)
	if p.Type == "row" {
		return
	}
	require.NotEmpty(t, p.Description, "%s: %s", file, p.Title)
	require.NotEmpty(t, p.FieldConfig.Defaults.Unit, "%s: %s", file, p.Title)
	require.Equal(t, "prometheus", p.Datasource.Type, "%s: %s", file, p.Title)
	require.Equal(t, "${datasource}", p.Datasource.UID, "%s: %s", file, p.Title)
	require.NotEmpty(t, p.Targets, "%s: %s", file, p.Title)
	refs := map[string]bool{}
	for _, target := range p.Targets {
		require.False(t, refs[target.RefID] || target.RefID == "", "%s: %s", file, p.Title)
		refs[target.RefID] = true
		require.NotEmpty(t, target.Expr, "%s: %s", file, p.Title)
	}
}

// checkVariables sees that a query uses no variable that is not there, and that each variable is used.
func checkVariables(t *testing.T, file string, d dashboard) {
	known, used := map[string]bool{}, map[string]bool{}
	for _, v := range d.Templating.List {
		require.NotEmpty(t, v.Label, file)
		known["$"+v.Name] = true
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			for _, name := range regexp.MustCompile(`\$\w+`).FindAllString(target.Expr, -1) {
				require.True(t, known[name] || strings.HasPrefix(name, "$__"), "%s: %s: %s", file, p.Title, name)
				used[name] = true
			}
		}
	}
	for name := range known {
		require.True(t, used[name] || name == "$datasource", "%s: nothing uses %s", file, name)
	}
}

func checkNothingOverlaps(t *testing.T, file string, d dashboard) {
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		g := p.GridPos
		require.LessOrEqual(t, g.X+g.W, 24, "%s: %s", file, p.Title)
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s: %s", file, p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// TestQueriesGoByJobAndEnvironment: without the job, upstream's recommender beside ours would be counted in; without the
// others, all clusters that share a Prometheus.
func TestQueriesGoByJobAndEnvironment(t *testing.T) {
	selector := regexp.MustCompile(`((?:vpa_recommender|sartor|kube|container|process|apiserver)[\w:]+)\{([^}]*)\}`)
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				found := selector.FindAllStringSubmatch(target.Expr, -1)
				require.NotEmpty(t, found, "%s: %s", file, p.Title)
				for _, m := range found {
					require.Contains(t, m[2], `cluster=~"$cluster", env=~"$env"`, "%s: %s: %s", file, p.Title, m[1])
					if strings.HasPrefix(m[1], "vpa_recommender") || strings.HasPrefix(m[1], "sartor_admission") {
						require.Contains(t, m[2], `job="sartor-`, "%s: %s: %s", file, p.Title, m[1])
					}
				}
			}
		}
	}
}

func TestEveryDashboardIsInTheConfigMap(t *testing.T) {
	text, err := os.ReadFile("dashboards/kustomization.yaml")
	require.NoError(t, err)
	for file := range dashboards(t) {
		require.Contains(t, string(text), "- "+file+"\n")
	}
	require.Contains(t, string(text), `grafana_dashboard: "1"`)
}
