package monitoring

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/measure"
)

// tabled sees that each metric of a program, of the names that begin so, has its line in deploy/monitoring/README.md: name,
// type, labels, help.
func tabled(t *testing.T, prefix, url string) {
	text, err := os.ReadFile(files(t, "README.md"))
	require.NoError(t, err)
	metrics, err := measure.Scrape(t.Context(), url+"/metrics")
	require.NoError(t, err)
	found := 0
	for name, family := range metrics {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		found++
		var labels []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+pair.GetName()+"`")
		}
		line := "| `" + name + "` | " + strings.ToLower(family.GetType().String()) + " | " + strings.Join(labels, ", ") + " | " + family.GetHelp() + " |\n"
		require.Contains(t, string(text), line)
	}
	require.NotZero(t, found)
}
