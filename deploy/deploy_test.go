// Package deploy holds the manifests; what must be true of them is checked here.
package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"sigs.k8s.io/yaml"
)

func TestTheDefinitionsAreUpstreamsUnchanged(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/autoscaler/vertical-pod-autoscaler").Output()
	require.NoError(t, err)
	upstream, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "deploy", "vpa-v1-crd-gen.yaml"))
	require.NoError(t, err)
	ours, err := os.ReadFile("crds/vpa-v1-crd-gen.yaml")
	require.NoError(t, err)
	require.True(t, bytes.Equal(upstream, ours), "copy %s/deploy/vpa-v1-crd-gen.yaml to deploy/crds again", strings.TrimSpace(string(dir)))
}

func TestEveryManifestIsListed(t *testing.T) {
	text, err := os.ReadFile("kustomization.yaml")
	require.NoError(t, err)
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	crds, err := filepath.Glob("crds/*.yaml")
	require.NoError(t, err)
	for _, file := range append(files, crds...) {
		if file != "kustomization.yaml" {
			require.Contains(t, string(text), "- "+file+"\n")
		}
	}
}

// manifests are a file's documents by kind, decoded strictly: a misspelt field is an error.
func manifests(t *testing.T, file string) map[string]any {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	found := map[string]any{}
	for _, document := range strings.Split(string(text), "\n---\n") {
		var head struct{ Kind string }
		require.NoError(t, yaml.Unmarshal([]byte(document), &head))
		object, ok := map[string]any{
			"ClusterRole": &rbacv1.ClusterRole{}, "ClusterRoleBinding": &rbacv1.ClusterRoleBinding{},
			"Role": &rbacv1.Role{}, "RoleBinding": &rbacv1.RoleBinding{},
			"ServiceAccount": &corev1.ServiceAccount{}, "Secret": &corev1.Secret{}, "Service": &corev1.Service{},
			"Namespace": &corev1.Namespace{}, "Deployment": &appsv1.Deployment{},
			"PodDisruptionBudget":          &policyv1.PodDisruptionBudget{},
			"NetworkPolicy":                &networkingv1.NetworkPolicy{},
			"PriorityClass":                &schedulingv1.PriorityClass{},
			"Lease":                        &coordinationv1.Lease{},
			"MutatingWebhookConfiguration": &admissionregistrationv1.MutatingWebhookConfiguration{},
		}[head.Kind]
		require.True(t, ok, "%s: kind %q", file, head.Kind)
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), object), "%s: %s", file, head.Kind)
		found[head.Kind] = object
	}
	return found
}
