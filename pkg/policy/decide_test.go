package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

var unrestricted = Container{Controlled: resources[:], ControlledLimits: true}

func requirements(requests, limits corev1.ResourceList) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

func TestDecideTakesTheRecommendationThroughPolicyAndLimits(t *testing.T) {
	shop := requirements(list("100m", "512Mi"), list("2", "1Gi"))
	for name, tc := range map[string]struct {
		declared         corev1.ResourceRequirements
		target           corev1.ResourceList
		policy           func(*Container)
		requests, limits corev1.ResourceList
		notes            []string
	}{
		"declared limits are large enough": {
			declared: shop, target: list("587m", "400Mi"),
			requests: list("587m", "400Mi"), limits: list("2", "1Gi"),
		},
		"limits make room for twice the request": {
			declared: shop, target: list("1200m", "700Mi"),
			requests: list("1200m", "700Mi"), limits: list("3", "1400Mi"),
		},
		"undeclared limits are never added": {
			declared: requirements(list("100m", "512Mi"), list("", "1Gi")), target: list("1200m", "700Mi"),
			requests: list("1200m", "700Mi"), limits: list("", "1400Mi"),
		},
		"no recommendation, no decision": {declared: shop},
		"only what is recommended": {
			declared: shop, target: list("", "700Mi"), requests: list("", "700Mi"), limits: list("", "1400Mi"),
		},
		"mode Off despite a stale status": {
			declared: shop, target: list("1", "1Gi"), policy: func(c *Container) { c.Off = true },
		},
		"an uncontrolled resource is untouched": {
			declared: shop, target: list("1200m", "700Mi"), policy: func(c *Container) { c.Controlled = resources[1:] },
			requests: list("", "700Mi"), limits: list("", "1400Mi"),
		},
		"capped": {
			declared: shop, target: list("10", "100Mi"),
			policy:   func(c *Container) { c.Min, c.Max = list("", "512Mi"), list("4", "") },
			requests: list("4", "512Mi"), limits: list("8", "1Gi"),
			notes: []string{"cpu: recommended 10, bounded by maxAllowed 4", "memory: recommended 100Mi, bounded by minAllowed 512Mi"},
		},
		"max wins over min": {
			declared: shop, target: list("2", ""), policy: func(c *Container) { c.Min, c.Max = list("3", ""), list("1", "") },
			requests: list("1", ""), limits: list("2", ""),
			notes: []string{"cpu: capped to maxAllowed 1, which is below minAllowed"},
		},
		"requests only leave limits alone": {
			declared: shop, target: list("1200m", "400Mi"), policy: func(c *Container) { c.ControlledLimits = false },
			requests: list("1200m", "400Mi"),
		},
		"requests only end at the limit": {
			declared: shop, target: list("3", "2Gi"), policy: func(c *Container) { c.ControlledLimits = false },
			requests: list("2", "1Gi"),
			notes:    []string{"cpu: request 3 lowered to the limit 2", "memory: request 2Gi lowered to the limit 1Gi"},
		},
		"a limit of zero is nothing to lower to": {
			declared: requirements(nil, list("0", "")), target: list("1", ""), policy: func(c *Container) { c.ControlledLimits = false },
			notes: []string{"cpu left as declared: request 1 would exceed the limit 0"},
		},
		"an insane declared limit": {
			declared: requirements(nil, list("9E", "")), target: list("1", ""),
			notes: []string{"cpu left as declared: no sane limit follows from declared limit 9E and request 1"},
		},
		"fractions of a milli-CPU are rounded up": {
			declared: shop, target: list("1500500u", ""), requests: list("1501m", ""), limits: list("4", ""),
		},
	} {
		t.Run(name, func(t *testing.T) {
			policy := unrestricted
			if tc.policy != nil {
				tc.policy(&policy)
			}
			got := Ask{Declared: tc.declared, Target: tc.target, Policy: policy, Limits: DefaultLimitPolicy()}.Decide()
			require.Equal(t, text(tc.requests), text(got.Requests))
			require.Equal(t, text(tc.limits), text(got.Limits))
			require.Equal(t, tc.notes, texts(got.Notes))
		})
	}
}

func texts(notes []Note) []string {
	var all []string
	for _, n := range notes {
		all = append(all, n.Text)
	}
	return all
}

func TestAGuaranteedPodStaysGuaranteed(t *testing.T) {
	for name, tc := range map[string]struct {
		declared, target, max, want string
		note                        string
	}{
		"whole CPUs stay whole":            {"2", "1200m", "", "2", ""},
		"the limit may end below declared": {"8", "1200m", "", "2", ""},
		"fractions stay fractions":         {"1500m", "700m", "", "700m", ""},
		"down to whole under maxAllowed":   {"2", "2100m", "2500m", "2", ""},
		"no whole CPU fits":                {"1", "300m", "500m", "", "cpu left as declared: no whole CPU fits under maxAllowed 500m"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := unrestricted
			policy.Max = list(tc.max, "")
			got := Ask{
				Declared: requirements(list(tc.declared, "1Gi"), list(tc.declared, "1Gi")), Guaranteed: true,
				Target: list(tc.target, "1500M"), Policy: policy, Limits: DefaultLimitPolicy(),
			}.Decide()
			require.Equal(t, text(list(tc.want, "1500M")), text(got.Requests))
			require.Equal(t, text(got.Requests), text(got.Limits))
			if tc.note != "" {
				require.Equal(t, []string{tc.note}, texts(got.Notes))
			}
		})
	}
}

func TestRequestsOnlyDoesNotTakeGuaranteedFromAPod(t *testing.T) {
	policy := unrestricted
	policy.ControlledLimits = false
	got := Ask{
		Declared: requirements(list("1", "1Gi"), list("1", "1Gi")), Guaranteed: true,
		Target: list("500m", "500Mi"), Policy: policy, Limits: DefaultLimitPolicy(),
	}.Decide()
	require.Empty(t, got.Requests)
	require.Len(t, got.Notes, 2)
	require.True(t, got.Notes[0].Skipped)
}

func TestHostileAmountsSkipTheResource(t *testing.T) {
	declared := requirements(list("100m", "512Mi"), list("2", "1Gi"))
	for _, bad := range hostile {
		got := Ask{Declared: declared, Target: list(bad, "700Mi"), Policy: unrestricted, Limits: DefaultLimitPolicy()}.Decide()
		require.Equal(t, text(list("", "700Mi")), text(got.Requests), "recommended %s", bad)
		require.Len(t, got.Notes, 1)
		require.True(t, got.Notes[0].Skipped)
	}
	for _, bad := range []string{"-1", "1n"} {
		policy := unrestricted
		policy.Max = list(bad, "")
		got := Ask{Declared: declared, Target: list("1", ""), Policy: policy, Limits: DefaultLimitPolicy()}.Decide()
		require.Empty(t, got.Requests, "maxAllowed %s", bad)
		require.True(t, got.Notes[0].Skipped)
	}
}

func TestWhateverIsDecidedIsLegal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ask := Ask{
			Declared: requirements(anyList(t, "requests"), anyList(t, "limits")),
			Target:   anyList(t, "target"),
			Policy: Container{
				Min: anyList(t, "min"), Max: anyList(t, "max"),
				Controlled:       resources[:],
				ControlledLimits: rapid.Bool().Draw(t, "limits controlled"),
			},
			Limits: DefaultLimitPolicy(),
		}
		ask.Guaranteed = guaranteed(ask.Declared)
		got := ask.Decide()
		for _, name := range resources {
			checkLegal(t, ask, got, name)
		}
	})
}

func checkLegal(t *rapid.T, ask Ask, got Decision, name corev1.ResourceName) {
	request, decided := got.Requests[name]
	limit, limited := got.Limits[name]
	declared, declaredLimit := ask.Declared.Limits[name]
	if !decided {
		if limited {
			t.Fatalf("%s has a limit without a request", name)
		}
		return
	}
	if !Sane(name, request) || limited && !Sane(name, limit) {
		t.Fatalf("%s: request %s, limit %s", name, request.String(), limit.String())
	}
	if limited && !declaredLimit {
		t.Fatalf("%s: undeclared limit added", name)
	}
	if !limited {
		limit, limited = declared, declaredLimit
	}
	if limited && request.Cmp(limit) > 0 {
		t.Fatalf("%s: request %s above limit %s", name, request.String(), limit.String())
	}
	if ask.Guaranteed && request.Cmp(limit) != 0 {
		t.Fatalf("%s: no longer Guaranteed: %s, %s", name, request.String(), limit.String())
	}
	if highest, ok := ask.Policy.Max[name]; ok && !highest.IsZero() && request.Cmp(highest) > 0 {
		t.Fatalf("%s: request %s above maxAllowed %s", name, request.String(), highest.String())
	}
}
