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
