package charts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// definitions are the custom resources of others that charts make, in the modules that hold them. The modules are only
// read, and so not required: what they need would decide what the tests are built with.
var definitions = []struct{ module, sum, file string }{
	{"github.com/argoproj/argo-rollouts@v1.10.1", "h1:6oyVPGiHHxu3ixkT6mngemh88HLPDoTX1IwO6KNR1Y4=", "manifests/crds/rollout-crd.yaml"},
	{"github.com/kedacore/keda/v2@v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=", "config/crd/bases/keda.sh_scaledobjects.yaml"},
	{"github.com/cert-manager/cert-manager@v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=", "deploy/crds/cert-manager.io_certificates.yaml"},
	{"github.com/cert-manager/cert-manager@v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=", "deploy/crds/cert-manager.io_issuers.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
}

// definitionFiles are their files.
func definitionFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, d := range definitions {
		download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", d.module)
		download.Dir = t.TempDir() // no module's own
		download.Stderr = os.Stderr
		out, err := download.Output()
		require.NoError(t, err, "%s: %s", d.module, out)
		var got struct{ Dir, Sum string }
		require.NoError(t, json.Unmarshal(out, &got))
		require.Equal(t, d.sum, got.Sum, d.module)
		files = append(files, filepath.Join(got.Dir, filepath.FromSlash(d.file)))
	}
	return files
}
