package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

var defaults = UsageRules{MemoryInterval: 24 * time.Hour, MemoryIntervalCount: 8, OOMBumpUpRatio: 1.2, OOMMinBumpUp: 100 << 20}

func ptr[T any](v T) *T { return &v }

func quantity(s string) *resource.Quantity { return ptr(q(s)) }

func TestAVPASaysHowItsContainersUsageIsLearnt(t *testing.T) {
	p := &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
		{ContainerName: "all", MemoryAggregationIntervalSeconds: ptr[int32](3600), MemoryAggregationIntervalCount: ptr[int64](3),
			OOMBumpUpRatio: quantity("1.5"), OOMMinBumpUp: quantity("0")},
		{ContainerName: "some", OOMMinBumpUp: quantity("1Gi")},
	}}
	require.Equal(t, UsageRules{time.Hour, 3, 1.5, 0}, ForContainer(p, "all").UsageRules(defaults))
	require.Equal(t, UsageRules{24 * time.Hour, 8, 1.2, 1 << 30}, ForContainer(p, "some").UsageRules(defaults))
	require.Equal(t, defaults, ForContainer(p, "other").UsageRules(defaults))
	require.Equal(t, defaults, ForContainer(nil, "any").UsageRules(defaults))
}

func TestUsageRulesOutOfRangeAreIgnored(t *testing.T) {
	for name, c := range map[string]vpav1.ContainerResourcePolicy{
		"no time":              {MemoryAggregationIntervalSeconds: ptr[int32](0)},
		"negative time":        {MemoryAggregationIntervalSeconds: ptr[int32](-60)},
		"no interval":          {MemoryAggregationIntervalCount: ptr[int64](0)},
		"a ratio that shrinks": {OOMBumpUpRatio: quantity("999m")},
		"a negative ratio":     {OOMBumpUpRatio: quantity("-2")},
		"an endless ratio":     {OOMBumpUpRatio: quantity("1e30")},
		"a negative bump":      {OOMMinBumpUp: quantity("-1")},
		"an endless bump":      {OOMMinBumpUp: quantity("1e30")},
	} {
		t.Run(name, func(t *testing.T) {
			c.ContainerName = "*"
			p := &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{c}}
			require.Equal(t, defaults, ForContainer(p, "app").UsageRules(defaults))
		})
	}
}

func TestAContainersMinimumTakesThePlaceOfItsShare(t *testing.T) {
	share := [2]usage.Amount{12, 125 << 20}
	require.Equal(t, share, ContainerMinimum{}.Share(share))
	require.Equal(t, [2]usage.Amount{0, 125 << 20}, ContainerMinimum{usage.CPU: ptr[usage.Amount](0)}.Share(share))
	require.Equal(t, [2]usage.Amount{12, 64 << 20}, ContainerMinimum{usage.Memory: ptr[usage.Amount](64 << 20)}.Share(share))
}
