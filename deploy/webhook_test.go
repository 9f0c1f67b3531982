package deploy

import (
	"os"
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

	"github.com/sartor-vpa/sartor/pkg/policy"
)

func webhooks(t *testing.T) []admissionregistrationv1.MutatingWebhook {
	configuration := manifests(t, "webhook.yaml")["MutatingWebhookConfiguration"].(*admissionregistrationv1.MutatingWebhookConfiguration)
	require.Equal(t, "vpa-webhook-config", configuration.Name)
	require.Len(t, configuration.Webhooks, 2)
	return configuration.Webhooks
}

func TestTheWebhookCanDoNoHarm(t *testing.T) {
	for _, hook := range webhooks(t) {
		require.Equal(t, admissionregistrationv1.Ignore, *hook.FailurePolicy, hook.Name)
		require.Equal(t, admissionregistrationv1.SideEffectClassNone, *hook.SideEffects)
		require.Equal(t, admissionregistrationv1.IfNeededReinvocationPolicy, *hook.ReinvocationPolicy)
		require.LessOrEqual(t, *hook.TimeoutSeconds, int32(5))
		require.Equal(t, []string{"v1"}, hook.AdmissionReviewVersions)
		require.Len(t, hook.Rules, 1)
		require.Empty(t, hook.ClientConfig.CABundle, "the program writes it")
	}
}

func TestPodsAreReviewedWhenTheyAreCreated(t *testing.T) {
	hook := webhooks(t)[0]
	require.Equal(t, "vpa.k8s.io", hook.Name, "upstream's")
	require.EqualValues(t, 2, *hook.TimeoutSeconds)
	require.Equal(t, []admissionregistrationv1.OperationType{admissionregistrationv1.Create}, hook.Rules[0].Operations)
	require.Equal(t, []string{"pods"}, hook.Rules[0].Resources)
	require.Equal(t, "/pods", *hook.ClientConfig.Service.Path)
	namespace := manifests(t, "namespace.yaml")["Namespace"].(*corev1.Namespace)
	require.Equal(t, []string{"kube-system", "kube-node-lease", namespace.Name}, hook.NamespaceSelector.MatchExpressions[0].Values, "its own pods must not wait for it")
	var conditions []string
	for _, condition := range hook.MatchConditions {
		conditions = append(conditions, condition.Name)
	}
	require.Equal(t, []string{"has-controller", "not-a-mirror-pod", "not-opted-out"}, conditions)
}

func TestVPAsAreReviewedWheneverTheirSpecMayChange(t *testing.T) {
	hook := webhooks(t)[1]
	require.Equal(t, admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{"autoscaling.k8s.io"}, APIVersions: []string{"v1"}, Scope: hook.Rules[0].Scope,
			// Not their status: recommenders write it, and nothing may stop them.
			Resources: []string{"verticalpodautoscalers"},
		},
	}, hook.Rules[0])
	require.Equal(t, admissionregistrationv1.Equivalent, *hook.MatchPolicy, "those of v1beta2 are converted")
	require.Equal(t, "/vpas", *hook.ClientConfig.Service.Path)
	require.Empty(t, hook.MatchConditions)
	require.Nil(t, hook.NamespaceSelector)
}

func TestTheWebhooksPartsFitTogether(t *testing.T) {
	parts := manifests(t, "admission.yaml")
	service := parts["Service"].(*corev1.Service)
	for _, hook := range webhooks(t) {
		reference := hook.ClientConfig.Service
		require.Equal(t, service.Name, reference.Name)
		require.Equal(t, service.Namespace, reference.Namespace)
		require.Equal(t, service.Spec.Ports[0].Port, *reference.Port)
	}
	pods := parts["Deployment"].(*appsv1.Deployment).Spec.Template
	require.Subset(t, pods.Labels, service.Spec.Selector)
	require.Subset(t, pods.Labels, parts["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget).Spec.Selector.MatchLabels)
	require.Subset(t, pods.Labels, parts["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec.PodSelector.MatchLabels)
	require.Equal(t, parts["ServiceAccount"].(*corev1.ServiceAccount).Name, pods.Spec.ServiceAccountName)
	require.Equal(t, parts["PriorityClass"].(*schedulingv1.PriorityClass).Name, pods.Spec.PriorityClassName)

	ports := map[string]int32{}
	for _, port := range pods.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}
	require.Contains(t, ports, service.Spec.Ports[0].TargetPort.String())
	var open []string
	for _, rule := range parts["NetworkPolicy"].(*networkingv1.NetworkPolicy).Spec.Ingress {
		open = append(open, rule.Ports[0].Port.String())
	}
	require.Equal(t, []string{"https", "metrics"}, open)
	require.Contains(t, ports, "metrics")
}

// TestTheWebhookOutlivesNodesAndRollouts is about what keeps one replica serving at any time.
func TestTheWebhookOutlivesNodesAndRollouts(t *testing.T) {
	parts := manifests(t, "admission.yaml")
	deployment := parts["Deployment"].(*appsv1.Deployment).Spec
	require.EqualValues(t, 2, *deployment.Replicas)
	require.Equal(t, 0, deployment.Strategy.RollingUpdate.MaxUnavailable.IntValue())
	pods := deployment.Template.Spec
	var spread []string
	for _, constraint := range pods.TopologySpreadConstraints {
		spread = append(spread, constraint.TopologyKey)
		require.Equal(t, corev1.ScheduleAnyway, constraint.WhenUnsatisfiable)
		require.Subset(t, deployment.Template.Labels, constraint.LabelSelector.MatchLabels)
	}
	require.Equal(t, []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"}, spread)
	require.GreaterOrEqual(t, *pods.TerminationGracePeriodSeconds, int64(10+30), "--shutdown-delay, and what a review may take")
	budget := parts["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget).Spec
	require.Equal(t, 1, budget.MinAvailable.IntValue())
	require.Equal(t, policyv1.AlwaysAllow, *budget.UnhealthyPodEvictionPolicy)
}

func TestPodsAreRestricted(t *testing.T) {
	labels := manifests(t, "namespace.yaml")["Namespace"].(*corev1.Namespace).Labels
	for _, mode := range []string{"enforce", "audit", "warn"} {
		require.Equal(t, "restricted", labels["pod-security.kubernetes.io/"+mode])
	}
	for _, file := range []string{"admission.yaml", "recommender.yaml"} {
		pods := manifests(t, file)["Deployment"].(*appsv1.Deployment).Spec.Template.Spec
		require.True(t, *pods.SecurityContext.RunAsNonRoot)
		require.NotZero(t, *pods.SecurityContext.RunAsUser)
		require.NotZero(t, *pods.SecurityContext.RunAsGroup)
		require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pods.SecurityContext.SeccompProfile.Type)
		for _, container := range pods.Containers {
			require.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
			require.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
			require.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
			require.NotEmpty(t, container.Resources.Requests)
		}
	}
}

func TestTheWebhooksRightsAreToItsOwnThings(t *testing.T) {
	parts, lease := manifests(t, "admission.yaml"), manifests(t, "lease.yaml")
	secret := parts["Secret"].(*corev1.Secret)
	require.Empty(t, secret.Data)
	require.Equal(t, []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{secret.Name}, Verbs: []string{"get", "update"},
	}}, parts["Role"].(*rbacv1.Role).Rules)
	require.Equal(t, []rbacv1.PolicyRule{{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"vpa-admission-controller"}, Verbs: []string{"get", "update"},
	}}, lease["Role"].(*rbacv1.Role).Rules)
	require.Equal(t, "kube-system", lease["Lease"].(*coordinationv1.Lease).Namespace, "where upstream's updater looks")
	require.Contains(t, parts["Deployment"].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Args, "--status-lease-namespace=kube-system")
	for _, rule := range parts["ClusterRole"].(*rbacv1.ClusterRole).Rules {
		require.NotContains(t, rule.Resources, "secrets")
		require.NotContains(t, rule.Resources, "*")
		require.NotContains(t, rule.Verbs, "*")
		if len(rule.ResourceNames) == 0 {
			require.Subset(t, []string{"get", "list", "watch"}, rule.Verbs, "it writes to nothing but its own")
		}
	}
}

func TestTheLimitPolicysExampleIsTheDefault(t *testing.T) {
	text, err := os.ReadFile("components/limit-policy/limits.yaml")
	require.NoError(t, err)
	got, err := policy.ParseLimitPolicy(text)
	require.NoError(t, err)
	want := policy.DefaultLimitPolicy()
	for _, pair := range [][2]policy.LimitRule{{want.CPU, got.CPU}, {want.Memory, got.Memory}} {
		require.Equal(t, pair[0].Mode, pair[1].Mode)
		require.Zero(t, pair[0].Multiple.Cmp(pair[1].Multiple))
		require.Zero(t, pair[0].Round.Cmp(pair[1].Round))
		require.Zero(t, pair[0].Max.Cmp(pair[1].Max))
	}
	require.Equal(t, want.MaxAllowedBoundsLimit, got.MaxAllowedBoundsLimit)
}
