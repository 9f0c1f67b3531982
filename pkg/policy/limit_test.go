package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

func TestTheLimitIsTheLargerOfDeclaredAndTwiceTheRequestRoundedUp(t *testing.T) {
	for name, tc := range map[string]struct {
		resource                usage.Resource
		declared, request, want string
	}{
		"declared is larger":             {usage.CPU, "2", "587m", "2"},
		"twice the request is larger":    {usage.CPU, "2", "1200m", "3"},
		"declared fraction is rounded":   {usage.CPU, "2500m", "100m", "3"},
		"one milli over a whole core":    {usage.CPU, "1", "501m", "2"},
		"memory declared is larger":      {usage.Memory, "1Gi", "300Mi", "1Gi"},
		"memory twice the request":       {usage.Memory, "1Gi", "700Mi", "1400Mi"},
		"memory to whole MiB":            {usage.Memory, "100Mi", "104857601", "201Mi"},
		"decimal memory is rounded too":  {usage.Memory, "512M", "100Mi", "489Mi"},
		"largest declared that is whole": {usage.CPU, "2000", "1", "2k"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := DefaultLimitPolicy()
			rule := policy.rule(tc.resource).compile(tc.resource)
			limit := Value{amount: rule.limit(ValueOf(tc.resource, q(tc.declared)).Amount(), ValueOf(tc.resource, q(tc.request)).Amount()), is: exact}
			require.Equal(t, tc.want, limit.text(tc.resource))
		})
	}
}

func TestOddRulesStillGiveLegalLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		rule LimitRule
		want int64
	}{
		"the zero rule: the larger of both":      {LimitRule{}, 1500},
		"a fraction is exact":                    {LimitRule{Multiple: q("1.333")}, 2000},
		"below one acts as one":                  {LimitRule{Multiple: q("0.5"), Round: q("100m")}, 1500},
		"negative acts as one":                   {LimitRule{Multiple: q("-3")}, 1500},
		"beyond a thousand acts as one thousand": {LimitRule{Multiple: q("9E")}, 1_500_000},
		"beyond all bounds too":                  {LimitRule{Multiple: q("1e10000000")}, 1_500_000},
		"an insane unit does not round":          {LimitRule{Round: q("9E")}, 1500},
		"a maximum":                              {LimitRule{Multiple: q("4"), Max: q("3")}, 3000},
		"a maximum below the request":            {LimitRule{Multiple: q("4"), Max: q("1200m")}, 1500},
		"a maximum is not rounded":               {LimitRule{Multiple: q("4"), Round: q("1"), Max: q("2500m")}, 2500},
		"an insane maximum is none":              {LimitRule{Multiple: q("4"), Max: q("-1")}, 6000},
	} {
		t.Run(name, func(t *testing.T) {
			rule := tc.rule.compile(usage.CPU)
			require.Equal(t, tc.want, rule.limit(1000, 1500))
		})
	}
}

func TestALimitIsNeverBelowRequestOrDeclared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(usage.Resources[:]).Draw(t, "resource")
		rule := LimitRule{
			Multiple: *resource.NewMilliQuantity(rapid.Int64Range(-1000, 2_000_000).Draw(t, "multiple"), resource.DecimalSI),
			Round:    anyAmount(resourceName(r)).Draw(t, "round"), Max: anyAmount(resourceName(r)).Draw(t, "max"),
		}.compile(r)
		most := [...]int64{MaxCPU, MaxMemory}[r]
		declared, request := rapid.Int64Range(0, most).Draw(t, "declared"), rapid.Int64Range(1, most).Draw(t, "request")
		limit := rule.limit(declared, request)
		if limit < declared || limit < request {
			t.Fatalf("limit %d for declared %d and request %d", limit, declared, request)
		}
		if again := rule.limit(limit, request); rule.most == 0 && again != limit {
			t.Fatalf("limit %d is not its own limit: %d", limit, again)
		}
	})
}

func TestTheClustersLimitPolicyIsReadStrictly(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"nothing is the default": {"", "cpu multiple 2 round 1 max 0, memory multiple 2 round 1Mi max 0, false"},
		"what is said replaces":  {"cpu: {multiple: 1.5, max: 8}\nmemory: {mode: proportional}\nmaxAllowedBoundsLimit: true\n", "cpu multiple 1500m round 1 max 8, memory proportional 2 round 1Mi max 0, true"},
		"no rounding, in JSON":   {`{"cpu": {"round": "0"}, "memory": {"mode": "none"}}`, "cpu multiple 2 round 0 max 0, memory none 2 round 1Mi max 0, false"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParseLimitPolicy([]byte(tc.text))
			require.NoError(t, err)
			require.Equal(t, tc.want, toldPolicy(p))
		})
	}
	for text, want := range map[string]string{
		"cpu: {multiples: 2}":        `unknown field "multiples"; it has cpu, memory`,
		"disk: {}":                   `unknown field "disk"`,
		"cpu: {mode: double}":        `cpu.mode "double" is not known: use multiple, proportional or none`,
		"cpu: {multiple: 0.5}":       "cpu.multiple 500m is out of range: use 1 to 1000",
		"cpu: {multiple: 1e9999999}": "cpu.multiple beyond all bounds is out of range",
		"memory: {round: 1}":         "memory.round 1 is no amount of memory that a container can be given: use 0 for none, or 1Mi to 100T",
		"cpu: {max: -1}":             "cpu.max -1 is no amount of cpu that a container can be given: use 0 for none, or 1m to 2000",
		"cpu: [":                     "reading the limit policy",
		"cpu: {max: lots}":           "reading the limit policy",
	} {
		_, err := ParseLimitPolicy([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func toldPolicy(p LimitPolicy) string {
	rule := func(r LimitRule) string {
		return string(r.Mode) + " " + r.Multiple.String() + " round " + r.Round.String() + " max " + r.Max.String()
	}
	bounded := map[bool]string{true: "true", false: "false"}[p.MaxAllowedBoundsLimit]
	return "cpu " + rule(p.CPU) + ", memory " + rule(p.Memory) + ", " + bounded
}

func TestAVPAsAnnotationsReplaceTheClustersRules(t *testing.T) {
	for text, want := range map[string]string{
		"multiple=3":               "multiple 3 round 1 max 0",
		"max=8, multiple=1.5":      "multiple 1500m round 1 max 8",
		"round=500m,max=8":         "multiple 2 round 500m max 8",
		"proportional":             "proportional 2 round 1 max 0",
		" none ":                   "none 2 round 1 max 0",
		"multiple=1,round=0,max=0": "multiple 1 round 0 max 0",
	} {
		limits, errs := LimitsOf(map[string]string{CPULimitAnnotation: text}, DefaultLimitPolicy())
		require.Empty(t, errs, text)
		require.Equal(t, "cpu "+want+", memory multiple 2 round 1Mi max 0, false", toldPolicy(limits), text)
	}
	for text, want := range map[string]string{
		"":                      "use proportional, none, or a list such as multiple=2,round=1,max=8",
		"double":                "use proportional, none, or a list",
		"multiple":              "use proportional, none, or a list",
		"multiple=2,":           "use proportional, none, or a list",
		"size=2":                "use proportional, none, or a list",
		"max=1,max=2":           "max is said twice: say it once",
		"multiple=lots":         "multiple: this is no quantity: use one such as 2, 500m or 1Gi",
		"multiple=1e9":          "multiple: this is no quantity",
		"multiple=0":            "multiple 0 is out of range: use 1 to 1000",
		"round=-1":              "round -1 is no amount of cpu",
		"max=0.0001":            "max 100u is no amount of cpu",
		"Proportional":          "use proportional, none, or a list",
		"multiple=2 max=8":      "multiple: this is no quantity",
		"none,max=8":            "use proportional, none, or a list",
		"max=1000000000000000k": "is no amount of cpu",
	} {
		limits, errs := LimitsOf(map[string]string{CPULimitAnnotation: text}, DefaultLimitPolicy())
		require.Len(t, errs, 1, text)
		require.ErrorContains(t, errs[0], "annotation sartor.dev/cpu-limit: "+`"`+text+`": `)
		require.ErrorContains(t, errs[0], want)
		require.Equal(t, DefaultLimitPolicy(), limits, "the cluster's counts")
	}
}

func TestTheLimitPolicyOfAVPAIsApplied(t *testing.T) {
	shop := container(app, list("100m", "512Mi"), list("2", "1Gi"))
	bounded := byDefault
	bounded.Limits.MaxAllowedBoundsLimit = true
	for name, tc := range map[string]struct {
		cpu     string
		cluster Cluster
		target  string
		want    string
	}{
		"a multiple, a unit and a maximum":       {"multiple=3,round=500m,max=4", byDefault, "1100m", "cpu 1100m/3500m"},
		"the maximum":                            {"max=3", byDefault, "1700m", "cpu 1700m/3"},
		"the maximum is not below the declared":  {"max=1", byDefault, "500m", "cpu 500m/2"},
		"the maximum is not below the request":   {"max=3", byDefault, "3500m", "cpu 3500m/3500m"},
		"the declared ratio":                     {"proportional", byDefault, "50m", "cpu 50m/1"},
		"none: the request ends at the limit":    {"none", byDefault, "3", "cpu 2/-"},
		"maxAllowed does not bound limits":       {"multiple=2", byDefault, "4", "cpu 3/6"},
		"but where it is said to":                {"multiple=2", bounded, "4", "cpu 3/3"},
		"then it does so where a ratio is kept":  {"proportional", bounded, "1", "cpu 1/3"},
		"what makes no sense leaves the default": {"multiple=-2", byDefault, "1200m", "cpu 1200m/3"},
	} {
		t.Run(name, func(t *testing.T) {
			vpa := annotated(vpaOf(list(tc.target, ""), vpav1.ContainerResourcePolicy{MaxAllowed: list("3500m", "")}), CPULimitAnnotation, tc.cpu)
			if tc.target == "4" {
				vpa.Spec.ResourcePolicy.ContainerPolicies[0].MaxAllowed = list("3", "")
			}
			if tc.cluster.Limits.MaxAllowedBoundsLimit {
				vpa.Spec.ResourcePolicy.ContainerPolicies[0].MaxAllowed = list("3", "")
			}
			require.Equal(t, []string{tc.want + ", memory -/-"}, told(decide(podOf(shop), vpa, tc.cluster)))
		})
	}
}

func FuzzLimitAnnotations(f *testing.F) {
	for _, seed := range []string{"multiple=2,round=1,max=8", "proportional", "none", "", "max=", "=", "multiple=1e9", "multiple=2,multiple=2", "round=1Ei"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cluster := DefaultLimitPolicy()
		limits, errs := LimitsOf(map[string]string{CPULimitAnnotation: text, MemoryLimitAnnotation: text}, cluster)
		require.NoError(t, limits.Validate())
		require.LessOrEqual(t, len(errs), 2)
		pod := podOf(container(app, list("100m", "512Mi"), list("2", "1Gi")))
		got := decide(pod, annotated(vpaOf(list("1200m", "700Mi"), vpav1.ContainerResourcePolicy{}), CPULimitAnnotation, text, MemoryLimitAnnotation, text), byDefault)
		checkContainer(t, pod.Spec.Containers[0].Resources, corev1.ResourceRequirements{
			Requests: got.Containers[0].Requests.List(), Limits: got.Containers[0].Limits.List(),
		})
	})
}

// checkContainer fails unless what was decided for a container that is not Guaranteed is legal.
func checkContainer(t require.TestingT, declared, decided corev1.ResourceRequirements) {
	for _, r := range resources {
		request, ok := decided.Requests[r]
		limit, limited := decided.Limits[r]
		if !limited {
			limit, limited = declared.Limits[r]
		}
		if ok {
			require.True(t, Sane(r, request), request.String())
		}
		if limited {
			require.LessOrEqual(t, request.Cmp(limit), 0, "%s: request %s, limit %s", r, request.String(), limit.String())
		}
	}
}
