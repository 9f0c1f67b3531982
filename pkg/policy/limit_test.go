package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

func TestTheLimitIsTheLargerOfDeclaredAndTwiceTheRequestRoundedUp(t *testing.T) {
	for name, tc := range map[string]struct {
		resource                corev1.ResourceName
		declared, request, want string
	}{
		"declared is larger":             {"cpu", "2", "587m", "2"},
		"twice the request is larger":    {"cpu", "2", "1200m", "3"},
		"declared fraction is rounded":   {"cpu", "2500m", "100m", "3"},
		"one milli over a whole core":    {"cpu", "1", "501m", "2"},
		"memory declared is larger":      {"memory", "1Gi", "300Mi", "1Gi"},
		"memory twice the request":       {"memory", "1Gi", "700Mi", "1400Mi"},
		"memory to whole MiB":            {"memory", "100Mi", "104857601", "201Mi"},
		"decimal memory is rounded too":  {"memory", "512M", "100Mi", "489Mi"},
		"largest declared that is whole": {"cpu", "2000", "1", "2k"},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := DefaultLimitPolicy().Limit(tc.resource, q(tc.declared), q(tc.request))
			require.True(t, ok)
			require.Equal(t, tc.want, got.String())
		})
	}
}

func TestNoLimitFollowsFromInsaneAmounts(t *testing.T) {
	p := DefaultLimitPolicy()
	for _, bad := range hostile {
		_, ok := p.Limit(corev1.ResourceCPU, q(bad), q("1"))
		require.False(t, ok, "declared %s", bad)
		_, ok = p.Limit(corev1.ResourceCPU, q("1"), q(bad))
		require.False(t, ok, "request %s", bad)
	}
	_, ok := p.Limit(corev1.ResourceCPU, q("1"), q("1001"))
	require.False(t, ok, "twice the request is more than any machine has")
	_, ok = p.Limit("nvidia.com/gpu", q("1"), q("1"))
	require.False(t, ok)
}

func TestOddRulesStillGiveLegalLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		rule LimitRule
		want string
	}{
		"the zero rule: the larger of both":      {LimitRule{}, "1500m"},
		"a fraction is exact":                    {LimitRule{Multiple: q("1.333")}, "2"},
		"below one acts as one":                  {LimitRule{Multiple: q("0.5"), Round: q("100m")}, "1500m"},
		"negative acts as one":                   {LimitRule{Multiple: q("-3")}, "1500m"},
		"beyond a thousand acts as one thousand": {LimitRule{Multiple: q("9E")}, "1500"},
		"an insane unit does not round":          {LimitRule{Round: q("9E")}, "1500m"},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := LimitPolicy{CPU: tc.rule}.Limit(corev1.ResourceCPU, q("1"), q("1500m"))
			require.True(t, ok)
			require.Equal(t, tc.want, got.String())
		})
	}
}

func TestALimitIsNeverBelowRequestOrDeclared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(resources[:]).Draw(t, "resource")
		declared, request := anyAmount(name).Draw(t, "declared"), anyAmount(name).Draw(t, "request")
		rule := LimitRule{
			Multiple: *resource.NewMilliQuantity(rapid.Int64Range(-1000, 2_000_000).Draw(t, "multiple"), resource.DecimalSI),
			Round:    anyAmount(name).Draw(t, "round"),
		}
		limit, ok := LimitPolicy{CPU: rule, Memory: rule}.Limit(name, declared, request)
		if !ok {
			return
		}
		if limit.Cmp(declared) < 0 || limit.Cmp(request) < 0 || !Sane(name, limit) {
			t.Fatalf("limit %s for declared %s and request %s", limit.String(), declared.String(), request.String())
		}
		again, ok := LimitPolicy{CPU: rule, Memory: rule}.Limit(name, limit, request)
		if !ok || again.Cmp(limit) != 0 {
			t.Fatalf("limit %s is not its own limit: %s", limit.String(), again.String())
		}
	})
}
