package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

func quotaWith(hard, used map[corev1.ResourceName]string) *corev1.ResourceQuota {
	q := &corev1.ResourceQuota{}
	q.Name = "small"
	q.Spec.Hard, q.Status.Used = corev1.ResourceList{}, corev1.ResourceList{}
	for name, text := range hard {
		q.Spec.Hard[name] = list(text, "")[corev1.ResourceCPU]
	}
	for name, text := range used {
		q.Status.Used[name] = list(text, "")[corev1.ResourceCPU]
	}
	return q
}

func TestAQuotaThatThePatchedPodExceedsIsTold(t *testing.T) {
	type amounts = map[corev1.ResourceName]string
	always := corev1.ContainerRestartPolicyAlways
	sidecar := container("mesh", list("200m", ""), nil)
	sidecar.RestartPolicy = &always
	for _, c := range []struct {
		name       string
		hard, used amounts
		init       []corev1.Container
		level      *corev1.ResourceRequirements
		want       string
	}{
		{name: "enough is left", hard: amounts{"requests.cpu": "1"}, used: amounts{"requests.cpu": "300m"}},
		{name: "too little of requests", hard: amounts{"requests.cpu": "1"}, used: amounts{"requests.cpu": "301m"},
			want: "ResourceQuota small leaves 699m of requests.cpu, and the pod asks for 700m"},
		{name: "cpu is requests.cpu", hard: amounts{"cpu": "1", "requests.cpu": "2"}, used: amounts{"cpu": "301m", "requests.cpu": "301m"},
			want: "ResourceQuota small leaves 699m of requests.cpu, and the pod asks for 700m"},
		{name: "too little of limits", hard: amounts{"requests.cpu": "1", "limits.cpu": "1500m"},
			want: "ResourceQuota small leaves 1500m of limits.cpu, and the pod asks for 2"},
		{name: "too little of memory", hard: amounts{"memory": "500Mi"}, want: "ResourceQuota small leaves 500Mi of requests.memory, and the pod asks for 600Mi"},
		{name: "a sidecar counts", hard: amounts{"cpu": "800m"}, init: []corev1.Container{sidecar},
			want: "ResourceQuota small leaves 800m of requests.cpu, and the pod asks for 900m"},
		{name: "what runs before needs more anyway", hard: amounts{"cpu": "600m"}, init: []corev1.Container{container("migrate", list("2", ""), nil)}},
		{name: "the pod says what it needs as a whole", hard: amounts{"cpu": "600m"}, level: &corev1.ResourceRequirements{Requests: list("2", "")}},
		{name: "used is more than there may be", hard: amounts{"cpu": "1"}, used: amounts{"cpu": "3"},
			want: "ResourceQuota small leaves 0 of requests.cpu, and the pod asks for 700m"},
		{name: "others are bounded", hard: amounts{"pods": "1"}, used: amounts{"pods": "1"}},
		{name: "an absurd quota", hard: amounts{"cpu": "-1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := podOf(container(app, list("100m", "128Mi"), list("1", "256Mi")))
			pod.Spec.InitContainers, pod.Spec.Resources = c.init, c.level
			asking := PodOf(pod, nil)
			vpa := vpaOf(list("700m", "600Mi"), vpav1.ContainerResourcePolicy{})
			decision := Decide(&asking, RulesOf(vpa, vpa.Status.Recommendation, byDefault), nil)
			quota, _ := quotaOf(quotaWith(c.hard, c.used))
			got := quota.Short(&asking, decision.Containers)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Equal(t, c.want+": Kubernetes rejects it; raise the quota, or bound what is recommended by maxAllowed", got)
		})
	}
}

func TestQuotasThatBoundNothingOfOursAreNotKept(t *testing.T) {
	cpu := map[corev1.ResourceName]string{"cpu": "1"}
	pods := quotaWith(map[corev1.ResourceName]string{"pods": "1"}, nil)
	scoped, selected := quotaWith(cpu, nil), quotaWith(cpu, nil)
	scoped.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	selected.Spec.ScopeSelector = &corev1.ScopeSelector{}
	require.Empty(t, QuotasOf([]*corev1.ResourceQuota{pods, scoped, selected}))
	require.Len(t, QuotasOf([]*corev1.ResourceQuota{pods, quotaWith(cpu, nil), scoped}), 1)
}
