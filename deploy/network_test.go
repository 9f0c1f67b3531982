package deploy

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// open are a policy's rules as their ports, each with who may call: "pods" of any namespace, or "anybody".
func open(t *testing.T, policy *networkingv1.NetworkPolicy) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, rule := range policy.Spec.Ingress {
		require.NotEmpty(t, rule.Ports, "a rule without ports opens all of them")
		who := "anybody"
		if len(rule.From) == 1 && rule.From[0].IPBlock == nil && rule.From[0].NamespaceSelector != nil {
			who = "pods"
		}
		for _, port := range rule.Ports {
			require.Equal(t, corev1.ProtocolTCP, *port.Protocol)
			out[port.Port.String()] = who
		}
	}
	return out
}

func TestPodsAreReachedByTheirOwnPortsAlone(t *testing.T) {
	for file, want := range map[string]map[string]string{
		"recommender.yaml": {"metrics": "pods"},
		"admission.yaml":   {"metrics": "pods", "https": "anybody"},
	} {
		parts := manifests(t, file)
		policy, pods := parts["NetworkPolicy"].(*networkingv1.NetworkPolicy), parts["Deployment"].(*appsv1.Deployment)
		require.Equal(t, pods.Namespace, policy.Namespace)
		require.Equal(t, pods.Spec.Selector.MatchLabels, policy.Spec.PodSelector.MatchLabels)
		require.Contains(t, policy.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
		require.Equal(t, want, open(t, policy), file)
		ports := map[string]bool{}
		for _, port := range pods.Spec.Template.Spec.Containers[0].Ports {
			ports[port.Name] = true
		}
		require.Len(t, ports, len(want), "%s: a port that no rule is about", file)
		for name := range want {
			require.True(t, ports[name], "%s: no port %s", file, name)
		}
	}
}

// TestOnlyWhatTheManifestsCannotKnowIsOpenOnTheWayOut is about the recommender, which calls a Prometheus wherever it is. A
// policy without egress rules that had the type would cut it off from the API server.
func TestOnlyWhatTheManifestsCannotKnowIsOpenOnTheWayOut(t *testing.T) {
	recommender := manifests(t, "recommender.yaml")["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec
	require.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, recommender.PolicyTypes)
	require.Empty(t, recommender.Egress)
	admission := manifests(t, "admission.yaml")["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec
	require.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, admission.PolicyTypes)
	var ports []string
	for _, rule := range admission.Egress {
		for _, port := range rule.Ports {
			ports = append(ports, port.Port.String())
		}
	}
	require.Equal(t, []string{"443", "6443", "8443", "53", "53"}, ports)
}
