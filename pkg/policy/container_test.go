package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

var (
	off          = vpav1.ContainerScalingModeOff
	requestsOnly = vpav1.ContainerControlledValuesRequestsOnly
)

func TestAContainerWithoutPolicyIsControlledWithItsLimits(t *testing.T) {
	for name, p := range map[string]*vpav1.PodResourcePolicy{
		"no policy at all": nil,
		"another's policy": {ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "other", Mode: &off}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := ForContainer(p, "app")
			require.True(t, c.Controls(corev1.ResourceCPU))
			require.True(t, c.Controls(corev1.ResourceMemory))
			require.False(t, c.Controls("nvidia.com/gpu"))
			require.True(t, c.ControlledLimits)
		})
	}
}

func TestAnExactNameReplacesTheWildcardEntirely(t *testing.T) {
	p := &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
		{ContainerName: "*", MinAllowed: list("1", "1Gi"), ControlledValues: &requestsOnly},
		{ContainerName: "app", MaxAllowed: list("2", "")},
	}}
	app, other := ForContainer(p, "app"), ForContainer(p, "other")
	require.Nil(t, app.Min)
	require.True(t, app.ControlledLimits)
	require.Equal(t, list("1", "1Gi"), other.Min)
	require.False(t, other.ControlledLimits)
}

func TestControlledResourcesAreCPUAndMemoryInThatOrder(t *testing.T) {
	named := func(names ...corev1.ResourceName) Container {
		return ForContainer(&vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
			{ContainerName: "app", ControlledResources: &names},
		}}, "app")
	}
	require.Equal(t, []corev1.ResourceName{"cpu", "memory"}, named("memory", "nvidia.com/gpu", "cpu").Controlled)
	require.Empty(t, named().Controlled)
}

func TestNothingIsControlledInModeOff(t *testing.T) {
	c := ForContainer(&vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "*", Mode: &off}}}, "app")
	require.True(t, c.Off)
	require.False(t, c.Controls(corev1.ResourceCPU))
}

func TestCapKeepsAValueBetweenMinAndMax(t *testing.T) {
	for name, tc := range map[string]struct {
		min, max, value, want string
		bound                 Bound
		contradicts           bool
	}{
		"between":                 {"1", "3", "2", "2", "", false},
		"below min":               {"1", "3", "500m", "1", MinAllowed, false},
		"above max":               {"1", "3", "4", "3", MaxAllowed, false},
		"equal to max":            {"1", "3", "3", "3", "", false},
		"no bounds":               {"", "", "4", "4", "", false},
		"zero bounds do not bind": {"0", "0", "4", "4", "", false},
		"max wins over min":       {"3", "1", "2", "1", MaxAllowed, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := Container{Min: list(tc.min, ""), Max: list(tc.max, "")}
			got, bound := c.Cap(corev1.ResourceCPU, q(tc.value))
			require.Equal(t, tc.want, got.String())
			require.Equal(t, tc.bound, bound)
			require.Equal(t, tc.contradicts, c.Contradicts(corev1.ResourceCPU))
		})
	}
}

func TestTheFirstRecommendationOfANameCounts(t *testing.T) {
	r := &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{
		{ContainerName: "app", Target: list("1", "")}, {ContainerName: "app", Target: list("2", "")},
	}}
	require.Equal(t, list("1", ""), TargetOf(r, "app"))
	require.Nil(t, TargetOf(r, "other"))
	require.Nil(t, TargetOf(nil, "app"))
}
