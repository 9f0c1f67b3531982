package charts

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden holds text to a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	require.Equal(t, read(t, path), text, "make update-golden, and read the diff")
}

// elsewhere are files of templates that are compared with what kustomize builds, and are long.
var elsewhere = regexp.MustCompile(`/templates/(\w+-rbac|prometheusrule|dashboards)\.yaml\n`)

// TestEverythingThatCanBeSetShowsInTheManifests leaves out definitions and what is elsewhere.
func TestEverythingThatCanBeSetShowsInTheManifests(t *testing.T) {
	values := read(t, chart("sartor"), "examples", "everything.yaml")
	manifests, notes, err := sartor(values, "crds: {install: false}").render()
	require.NoError(t, err)
	var shown strings.Builder
	for _, document := range strings.SplitAfter(manifests, "\n---\n") {
		if !elsewhere.MatchString(document) {
			shown.WriteString(document)
		}
	}
	golden(t, "sartor/everything.yaml", shown.String())
	golden(t, "sartor/everything-notes.txt", notes)
}

func TestTheNotesSayWhatIsInstalledAndWhatIsNot(t *testing.T) {
	_, notes, err := sartor("admission: {enabled: false}\nrecommender: {name: sartor}").render()
	require.NoError(t, err)
	require.Contains(t, notes, "with spec.recommenders: [{name: sartor}]")
	require.Contains(t, notes, "reads no history, for prometheus.address is empty")
	require.Contains(t, notes, "There is no webhook")
	require.NotContains(t, strings.Split(notes, "There is no webhook")[0], "rollout status")
}

// TestTheNotesShowNoSecretOfTheAddress: they are in the log of whatever installs the chart.
func TestTheNotesShowNoSecretOfTheAddress(t *testing.T) {
	_, notes, err := sartor("prometheus: {address: 'http://prometheus:9090/select?token=s3cret'}").render()
	require.NoError(t, err)
	require.Contains(t, notes, "reads history from http://prometheus:9090/select.")
	require.NotContains(t, notes, "s3cret")
}
