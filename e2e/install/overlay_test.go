package install

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
)

// built are the documents that kubectl makes of the kustomization that text returns for a folder, by kind and name,
// without what it hashes into names.
func built(t *testing.T, text func(folder string) []byte) map[string]string {
	bin, err := programs.Kubernetes(t.Context(), func(format string, args ...any) { t.Logf(format, args...) })
	require.NoError(t, err)
	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "kustomization.yaml"), text(folder), 0o600))
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "kubectl"), "kustomize", folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	documents := map[string]string{}
	for document := range strings.SplitSeq(string(out), "\n---\n") {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		require.NoError(t, yaml.Unmarshal([]byte(document), &head))
		name := head.Metadata.Name
		if head.Kind == "ConfigMap" {
			name = name[:strings.LastIndex(name, "-")]
		}
		documents[head.Kind+"/"+name] = document
	}
	return documents
}

// base is deploy/ with more.
func base(t *testing.T, more string) func(string) []byte {
	return func(folder string) []byte {
		root, err := Root()
		require.NoError(t, err)
		deploy, err := filepath.Rel(folder, filepath.Join(root, "deploy"))
		require.NoError(t, err)
		return fmt.Appendf(nil, "resources: [%s]\n%s", deploy, strings.ReplaceAll(more, "DEPLOY", deploy))
	}
}

func TestTheOverlayChangesWhatItSaysAndNothingElse(t *testing.T) {
	plain := built(t, base(t, ""))
	changed := built(t, func(folder string) []byte {
		text, err := writeOverlay(folder, map[string]any{"Port": 12345, "Prometheus": "", "EnvLabel": "", "Environment": ""})
		require.NoError(t, err)
		return text
	})
	require.Equal(t, slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(changed)))
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		if plain[name] != changed[name] {
			differ = append(differ, name)
		}
	}
	const configuration = "MutatingWebhookConfiguration/vpa-webhook-config"
	require.Equal(t, []string{"Deployment/sartor-admission", "Deployment/sartor-recommender", configuration, "Service/sartor-admission"}, differ)
	var hooks admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(t, yaml.UnmarshalStrict([]byte(changed[configuration]), &hooks))
	require.NotEmpty(t, hooks.Webhooks)
	for _, hook := range hooks.Webhooks {
		require.EqualValues(t, 12345, *hook.ClientConfig.Service.Port, hook.Name)
	}
}

func TestTheComponentsGoTogether(t *testing.T) {
	got := built(t, base(t, `components: [DEPLOY/components/cert-manager, DEPLOY/components/limit-policy]
patches:
- target: {kind: ConfigMap, name: sartor-limit-policy}
  patch: |
    - op: replace
      path: /data/limits.yaml
      value: "cpu: {multiple: 3}"
`))
	for _, gone := range []string{"Secret/sartor-admission-ca", "Role/sartor-admission", "RoleBinding/sartor-admission"} {
		require.NotContains(t, got, gone)
	}
	require.Contains(t, got, "Certificate/sartor-admission")
	require.Contains(t, got["MutatingWebhookConfiguration/vpa-webhook-config"], "cert-manager.io/inject-ca-from: sartor-system/sartor-admission")
	require.NotContains(t, got["ClusterRole/sartor-admission"], "patch", "it publishes nothing")
	require.Contains(t, got["ConfigMap/sartor-limit-policy"], "multiple: 3")
	admission := got["Deployment/sartor-admission"]
	for _, want := range []string{"--register-webhook=false", "--tls-cert-file=/etc/tls-certs/tls.crt", "mountPath: /etc/tls-certs", "secretName: sartor-admission-tls"} {
		require.Contains(t, admission, want)
	}
	for _, program := range []string{"admission", "recommender"} {
		for _, want := range []string{"--limit-policy-file=/etc/sartor/limits.yaml", "mountPath: /etc/sartor", "name: sartor-limit-policy-"} {
			require.Contains(t, got["Deployment/sartor-"+program], want)
		}
	}
}
