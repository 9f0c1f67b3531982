package charts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"
)

// deploy is where what is tested is.
const deploy = "../../deploy"

func chart(name string) string { return filepath.Join(deploy, "charts", name) }

// release is an installation of a chart, as of `helm template NAME CHART --namespace NAMESPACE --values ...`.
type release struct {
	chart, name, namespace string
	// values are YAML, of which later ones win.
	values []string
}

// render returns the manifests in the order in which Helm applies them, and the notes.
func (r release) render() (manifests, notes string, err error) {
	c, err := loader.Load(r.chart)
	if err != nil {
		return "", "", err
	}
	given := map[string]any{}
	for _, text := range r.values {
		more := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &more); err != nil {
			return "", "", err
		}
		given = chartutil.MergeTables(more, given)
	}
	options := chartutil.ReleaseOptions{Name: r.name, Namespace: r.namespace, Revision: 1, IsInstall: true}
	values, err := chartutil.ToRenderValues(c, given, options, chartutil.DefaultCapabilities)
	if err != nil {
		return "", "", err
	}
	files, err := engine.Render(c, values)
	if err != nil {
		return "", "", err
	}
	for name, text := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			notes = text
			delete(files, name)
		}
	}
	_, sorted, err := releaseutil.SortManifests(files, chartutil.DefaultVersionSet, releaseutil.InstallOrder)
	if err != nil {
		return "", "", err
	}
	var out strings.Builder
	for _, m := range sorted {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", m.Name, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(m.Content), "---")))
	}
	return out.String(), notes, nil
}

func (r release) manifests(t *testing.T) string {
	t.Helper()
	manifests, _, err := r.render()
	require.NoError(t, err)
	return manifests
}

// refusal is why values are not rendered.
func (r release) refusal(t *testing.T) string {
	t.Helper()
	_, _, err := r.render()
	require.Error(t, err, "%v", r.values)
	return err.Error()
}

// sartor is an installation of this project with values.
func sartor(values ...string) release {
	return release{chart: chart("sartor"), name: "sartor", namespace: "sartor-system", values: values}
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elements...))
	require.NoError(t, err)
	return string(text)
}
