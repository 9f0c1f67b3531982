package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/pki"
)

// What our programs rely on when they run as processes beside the cluster: a webhook configuration
// that names a Service reaches them, and a service account's kubeconfig has its rights, no more.
func TestAProcessServesAWebhookAndHasItsAccountsRights(t *testing.T) {
	c := startCluster(t, cluster.Options{Nodes: 1})
	ca, err := serveHook(t, c)
	require.NoError(t, err)
	port, err := c.Port("hook")
	require.NoError(t, err)
	_, err = c.Kubectl(t.Context(), hookManifest(t, port, ca), "apply", "-f", "-")
	require.NoError(t, err)

	// The API server reads webhook configurations anew every moment or so.
	soon(t, "a config map is marked by the webhook", func(ctx context.Context) error {
		out, err := c.Kubectl(ctx, "", "create", "configmap", "probe", "--dry-run=server", "-o=jsonpath={.data.by}")
		if err == nil && out != "hook" {
			return fmt.Errorf("marked %q", out)
		}
		return err
	})

	kubeconfig, err := c.ServiceAccountKubeconfig(t.Context(), "default", "reader", "kubectl")
	require.NoError(t, err)
	for verb, allowed := range map[string]string{"list": "yes", "delete": "no"} {
		out, _ := c.Kubectl(t.Context(), "", "--kubeconfig", kubeconfig, "auth", "can-i", verb, "pods") // "no" is exit status 1
		assert.Equal(t, allowed, strings.TrimSpace(out), verb)
	}
	_, err = c.ServiceAccountKubeconfig(t.Context(), "default", "nobody", "kubectl")
	assert.ErrorContains(t, err, "apply the manifests that make it first")
}

// serveHook serves a webhook that marks config maps, and returns the authority to trust it by.
func serveHook(t *testing.T, c *cluster.Cluster) ([]byte, error) {
	dir := t.TempDir()
	ca, err := pki.NewAuthority(dir, "ca", "hook-ca")
	if err != nil {
		return nil, err
	}
	if err := ca.Issue("hook", pki.Subject{Name: "hook", Hosts: []string{"hook.default.svc"}}); err != nil {
		return nil, err
	}
	port, err := c.Port("hook")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), Handler: http.HandlerFunc(mark)}
	go func() { _ = server.ListenAndServeTLS(filepath.Join(dir, "hook.crt"), filepath.Join(dir, "hook.key")) }()
	t.Cleanup(func() { _ = server.Close() })
	return ca.PEM(), nil
}

func mark(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	kind := admissionv1.PatchTypeJSONPatch
	review.Response = &admissionv1.AdmissionResponse{
		UID: review.Request.UID, Allowed: true, PatchType: &kind,
		Patch: []byte(`[{"op": "add", "path": "/data", "value": {"by": "hook"}}]`),
	}
	review.Request = nil
	review.TypeMeta = metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}
	_ = json.NewEncoder(w).Encode(review)
}

func hookManifest(t *testing.T, port int, ca []byte) string {
	text, err := os.ReadFile("testdata/hook.yaml")
	require.NoError(t, err)
	bundle, err := yaml.Marshal(ca)
	require.NoError(t, err)
	values := map[string]string{"PORT": fmt.Sprint(port), "CA": strings.TrimSpace(string(bundle))}
	return os.Expand(string(text), func(name string) string { return values[name] })
}
