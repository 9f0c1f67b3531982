package charts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomize builds deploy/ with components of it, as their comments tell users to.
func kustomize(t *testing.T, components ...string) string {
	t.Helper()
	// Kustomize takes no absolute paths.
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	absolute, err := filepath.Abs(deploy)
	require.NoError(t, err)
	base, err := filepath.Rel(root, absolute)
	require.NoError(t, err)
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [" + base + "]\ncomponents:\n"
	for _, component := range components {
		text += "- " + filepath.Join(base, component) + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "kustomization.yaml"), []byte(text), 0o600))
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), root)
	require.NoError(t, err)
	manifests, err := built.AsYaml()
	require.NoError(t, err)
	return string(manifests)
}

// overlays are the components that stand for a whole way to install.
func overlays(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(deploy, "overlays"))
	require.NoError(t, err)
	var out []string
	for _, entry := range entries {
		out = append(out, entry.Name())
	}
	require.NotEmpty(t, out)
	return out
}

func TestEveryOverlaySaysHowItIsUsed(t *testing.T) {
	for _, overlay := range overlays(t) {
		text := read(t, deploy, "overlays", overlay, "kustomization.yaml")
		require.Contains(t, text, "#   resources: [github.com/sartor-vpa/sartor/deploy]\n", overlay)
		require.Contains(t, text, "github.com/sartor-vpa/sartor/deploy/overlays/"+overlay, overlay)
		require.True(t, strings.HasPrefix(text, "# "), overlay)
	}
}
