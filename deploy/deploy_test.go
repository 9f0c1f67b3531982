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
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
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
			"MutatingWebhookConfiguration": &admissionregistrationv1.MutatingWebhookConfiguration{},
		}[head.Kind]
		require.True(t, ok, "%s: kind %q", file, head.Kind)
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), object), "%s: %s", file, head.Kind)
		found[head.Kind] = object
	}
	return found
}

func TestTheWebhookCanDoNoHarm(t *testing.T) {
	configuration := manifests(t, "webhook.yaml")["MutatingWebhookConfiguration"].(*admissionregistrationv1.MutatingWebhookConfiguration)
	require.Equal(t, "vpa-webhook-config", configuration.Name)
	require.Len(t, configuration.Webhooks, 1)
	hook := configuration.Webhooks[0]
	require.Equal(t, "vpa.k8s.io", hook.Name)
	require.Equal(t, admissionregistrationv1.Ignore, *hook.FailurePolicy)
	require.Equal(t, admissionregistrationv1.SideEffectClassNone, *hook.SideEffects)
	require.EqualValues(t, 2, *hook.TimeoutSeconds)
	require.Equal(t, []admissionregistrationv1.OperationType{admissionregistrationv1.Create}, hook.Rules[0].Operations)
	require.Equal(t, []string{"pods"}, hook.Rules[0].Resources)
	namespace := manifests(t, "namespace.yaml")["Namespace"].(*corev1.Namespace)
	require.Contains(t, hook.NamespaceSelector.MatchExpressions[0].Values, namespace.Name, "its own pods must not wait for it")
	require.Empty(t, hook.ClientConfig.CABundle)
}

func TestTheWebhooksPartsFitTogether(t *testing.T) {
	parts := manifests(t, "admission.yaml")
	configuration := manifests(t, "webhook.yaml")["MutatingWebhookConfiguration"].(*admissionregistrationv1.MutatingWebhookConfiguration)
	service, reference := parts["Service"].(*corev1.Service), configuration.Webhooks[0].ClientConfig.Service
	require.Equal(t, service.Name, reference.Name)
	require.Equal(t, service.Namespace, reference.Namespace)
	require.Equal(t, service.Spec.Ports[0].Port, *reference.Port)

	pods := parts["Deployment"].(*appsv1.Deployment).Spec.Template
	require.Subset(t, pods.Labels, service.Spec.Selector)
	require.Equal(t, parts["ServiceAccount"].(*corev1.ServiceAccount).Name, pods.Spec.ServiceAccountName)
	var ports []string
	for _, port := range pods.Spec.Containers[0].Ports {
		ports = append(ports, port.Name)
	}
	require.Contains(t, ports, service.Spec.Ports[0].TargetPort.String())
}

func TestTheWebhooksRightsToSecretsAreToItsOwn(t *testing.T) {
	parts := manifests(t, "admission.yaml")
	secret := parts["Secret"].(*corev1.Secret)
	require.Empty(t, secret.Data)
	require.Equal(t, []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{secret.Name}, Verbs: []string{"get", "update"},
	}}, parts["Role"].(*rbacv1.Role).Rules)
	for _, rule := range parts["ClusterRole"].(*rbacv1.ClusterRole).Rules {
		require.NotContains(t, rule.Resources, "secrets")
		require.NotContains(t, rule.Resources, "*")
		require.NotContains(t, rule.Verbs, "*")
	}
}
