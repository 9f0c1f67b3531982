// Package monitoring holds alerts, scrapes and dashboards; what can be said of them without a Prometheus is checked here.
package monitoring

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what is made from the rules and dashboards anew")

const runbooks = "../../docs/runbooks"

// rule is one of prometheus/rules.yaml.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func rules(t *testing.T) (all []rule) {
	text, err := os.ReadFile("prometheus/rules.yaml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name, Interval string
			Rules          []rule
		}
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

const ruleHead = `# Made from ../prometheus/rules.yaml by: go test ./deploy/monitoring -update
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sartor
  namespace: sartor-system
  labels:
    app.kubernetes.io/part-of: sartor
spec:
`

func TestThePrometheusRuleIsMadeFromTheRules(t *testing.T) {
	text, err := os.ReadFile("prometheus/rules.yaml")
	require.NoError(t, err)
	_, groups, found := strings.Cut(string(text), "\ngroups:\n")
	require.True(t, found)
	want := ruleHead + regexp.MustCompile(`(?m)^(.+)$`).ReplaceAllString("groups:\n"+groups, "  $1")
	const path = "operator/prometheusrule.yaml"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "go test ./deploy/monitoring -update")
	var plain, spec map[string]any
	require.NoError(t, yaml.Unmarshal(text, &plain))
	var object struct{ Spec *map[string]any }
	object.Spec = &spec
	require.NoError(t, yaml.Unmarshal(got, &object))
	require.Equal(t, plain, spec)
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		require.False(t, names[r.Alert], r.Alert)
		names[r.Alert] = true
		require.Regexp(t, `^Sartor[A-Z]\w+$`, r.Alert)
		require.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.For, "%s: a moment is no reason to wake anybody", r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.NotEmpty(t, r.Annotations["description"], r.Alert)
		require.Equal(t, "https://github.com/sartor-vpa/sartor/blob/main/docs/runbooks/"+r.Alert+".md", r.Annotations["runbook_url"])
		require.FileExists(t, filepath.Join(runbooks, r.Alert+".md"))
	}
	require.NotEmpty(t, names)
	for _, file := range runbookFiles(t) {
		if name := strings.TrimSuffix(filepath.Base(file), ".md"); name != "README" {
			require.True(t, names[name], "no alert has the runbook %s", file)
		}
	}
}

func TestNoRuleSumsOverEnvironments(t *testing.T) {
	grouping := regexp.MustCompile(`\b(?:by|on)\s*\(([^)]*)\)`)
	for _, r := range rules(t) {
		name := r.Record + r.Alert
		for _, m := range grouping.FindAllStringSubmatch(r.Expr, -1) {
			require.Regexp(t, `^cluster, env\b`, m[1], name)
		}
		require.NotRegexp(t, `\b(?:sum|max|min|count|avg)\s*\(`, r.Expr, "%s: an aggregation without by", name)
	}
}

func runbookFiles(t *testing.T) []string {
	files, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// sections are a runbook's, in order.
var sections = []string{"What it means", "Who is hurt", "Look", "Mend", "Silence"}

func TestEveryRunbookHasTheSameSections(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^## (.+)$`)
	for _, file := range runbookFiles(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "# "), file)
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)[^)]*\)`).FindAllStringSubmatch(string(text), -1) {
			require.FileExists(t, filepath.Join(runbooks, m[1]), "in %s", file)
		}
		if name == "README" {
			for _, r := range rules(t) {
				if r.Alert != "" {
					require.Contains(t, string(text), "]("+r.Alert+".md)")
				}
			}
			continue
		}
		require.True(t, strings.HasPrefix(string(text), "# "+name+"\n"), file)
		var got []string
		for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		require.Equal(t, sections, got, file)
		require.Contains(t, string(text), "```console\n$ ", "%s: a command with its output", file)
	}
}

func TestEveryRuleHasItsUnitTest(t *testing.T) {
	text, err := os.ReadFile("prometheus/rules_test.yaml")
	require.NoError(t, err)
	for _, r := range rules(t) {
		if r.Alert != "" {
			require.Contains(t, string(text), `alertname="`+r.Alert+`"`)
		} else {
			require.Contains(t, string(text), "'"+r.Record+"{", "its samples")
		}
	}
}
