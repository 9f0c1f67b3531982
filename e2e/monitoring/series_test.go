package monitoring

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	selector = regexp.MustCompile(`\b((?:vpa_recommender_|sartor_admission_|sartor:|kube_|container_|process_|apiserver_)[\w:]+)(?:{([^}]*)})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~?)"([^"]*)"`)
)

// open are labels whose values are the cluster's, and not the programs'.
var open = []string{"cluster", "env", "namespace", "vpa", "container", "label"}

// passing are metrics that are there only while something is missing, or wrong: panels show 0 for them.
var passing = []string{"vpa_recommender_history_missing_vpas", "vpa_recommender_history_values_dropped_total"}

// hasSeriesOf sees that no metric is misspelt, nor any value of a label: of what nobody counts nobody is told.
func (w *watcher) hasSeriesOf(t *testing.T, questions []question) {
	asked := map[string]string{}
	for _, q := range questions {
		for _, m := range selector.FindAllStringSubmatch(q.expr, -1) {
			asked[m[1]] = q.from
			for _, match := range matcher.FindAllStringSubmatch(m[2], -1) {
				if name := match[1]; !slices.Contains(open, name) {
					for _, value := range strings.Split(match[3], "|") {
						asked[fmt.Sprintf("%s{%s=%q}", m[1], name, value)] = q.from
					}
				}
			}
		}
	}
	for _, one := range slices.Sorted(maps.Keys(asked)) {
		if name, _, _ := strings.Cut(one, "{"); slices.Contains(passing, name) {
			continue
		}
		found, err := w.query(t.Context(), one)
		require.NoError(t, err)
		require.NotEmpty(t, found, "%s asks for %s", asked[one], one)
	}
	t.Logf("%d selectors: %v", len(asked), slices.Sorted(maps.Keys(asked)))
}
