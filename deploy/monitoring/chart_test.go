package monitoring

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// inChart is where the Helm chart has its copies. Helm reads no file outside of a chart. Links would do for helm package
// alone: what fetches a chart out of a repository refuses those that lead out of it, or takes them as text.
const inChart = "../charts/sartor/files/monitoring"

func TestTheChartHasTheSameRulesAndDashboards(t *testing.T) {
	originals, err := filepath.Glob("dashboards/*.json")
	require.NoError(t, err)
	originals = append(originals, "prometheus/rules.yaml")
	want := map[string][]byte{}
	for _, path := range originals {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		want[filepath.Base(path)] = text
	}
	copies, err := filepath.Glob(inChart + "/*")
	require.NoError(t, err)
	if *update {
		for _, path := range copies {
			require.NoError(t, os.Remove(path))
		}
		require.NoError(t, os.MkdirAll(inChart, 0o755))
		for name, text := range want {
			require.NoError(t, os.WriteFile(filepath.Join(inChart, name), text, 0o644))
		}
		copies, err = filepath.Glob(inChart + "/*")
		require.NoError(t, err)
	}
	require.Len(t, copies, len(want), "make update-golden")
	for _, path := range copies {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		// Not Equal, which would print both.
		require.True(t, bytes.Equal(want[filepath.Base(path)], text), "%s is not what it is copied from: make update-golden", path)
	}
}
