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

func TestAValueIsRoundedAndThenBounded(t *testing.T) {
	const cpu, memory = usage.CPU, usage.Memory
	for name, tc := range map[string]struct {
		resource                usage.Resource
		lowest, highest         string
		global                  string
		unit                    usage.Amount
		whole                   bool
		value, uncapped, capped usage.Amount
		bound                   Bound
	}{
		"nothing is said":                           {cpu, "", "", "", 0, false, 587, 587, 587, ""},
		"rounded up to the unit":                    {cpu, "", "", "", 100, false, 501, 600, 600, ""},
		"a multiple stays":                          {cpu, "", "", "", 100, false, 500, 500, 500, ""},
		"nothing rounds to nothing":                 {cpu, "", "", "", 100, true, 0, 0, 0, ""},
		"a unit below 1 does not round":             {memory, "", "", "", -7, false, 501, 501, 501, ""},
		"whole CPUs":                                {cpu, "", "", "", 0, true, 1001, 2000, 2000, ""},
		"whole CPUs after the unit":                 {cpu, "", "", "", 1500, true, 1001, 2000, 2000, ""},
		"whole CPUs say nothing of memory":          {memory, "", "", "", 0, true, 1001, 1001, 1001, ""},
		"minAllowed raises":                         {cpu, "2", "", "", 0, false, 100, 100, 2000, MinAllowed},
		"maxAllowed lowers, below the unit too":     {cpu, "", "750m", "", 500, false, 600, 1000, 750, MaxAllowed},
		"maxAllowed wins":                           {cpu, "2", "1", "", 0, false, 1500, 1500, 1000, MaxAllowed},
		"at the bound nothing is bounded":           {memory, "512Mi", "512Mi", "", 0, false, 512 << 20, 512 << 20, 512 << 20, ""},
		"the global maximum":                        {memory, "", "", "1Gi", 0, false, 2 << 30, 2 << 30, 1 << 30, GlobalMaxAllowed},
		"the VPA's maximum instead of the global":   {memory, "", "3Gi", "1Gi", 0, false, 2 << 30, 2 << 30, 2 << 30, ""},
		"a zero instead of the global":              {memory, "", "0", "1Gi", 0, false, 2 << 30, 2 << 30, 2 << 30, ""},
		"the global maximum wins over minAllowed":   {memory, "2Gi", "", "1Gi", 0, false, 1, 1, 1 << 30, GlobalMaxAllowed},
		"a zero minimum":                            {cpu, "0", "", "", 0, false, 1, 1, 1, ""},
		"a minimum finer than a millicore":          {cpu, "1500u", "", "", 0, false, 1, 1, 2, MinAllowed},
		"a maximum finer than a millicore":          {cpu, "", "1500u", "", 0, false, 3, 3, 2, MaxAllowed},
		"a maximum of a fraction of a byte":         {memory, "", "1m", "", 0, false, 3, 3, 1, MaxAllowed},
		"a negative minimum":                        {cpu, "-5", "", "", 0, false, 1, 1, 1, ""},
		"a negative maximum":                        {cpu, "", "-5", "", 0, false, 1, 1, 0, MaxAllowed},
		"a minimum beyond int64":                    {memory, "1e30", "", "", 0, false, 1, 1, usage.MaxAmount, MinAllowed},
		"a CPU minimum whose millicores wrap round": {cpu, "9223372036854775807", "", "", 0, false, 1, 1, usage.MaxAmount, MinAllowed},
		"a maximum beyond int64":                    {memory, "", "1e30", "", 3, false, usage.MaxAmount, usage.MaxAmount + 2, usage.MaxAmount + 2, ""},
		"a unit beyond all amounts":                 {memory, "", "", "", unbounded, false, 1, usage.MaxAmount, usage.MaxAmount, ""},
		"unknown history, rounded":                  {memory, "", "", "", 3, false, usage.MaxAmount, usage.MaxAmount + 2, usage.MaxAmount + 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			of := func(text string) (l [2]string) { l[tc.resource] = text; return l }
			lowest, highest, global := of(tc.lowest), of(tc.highest), of(tc.global)
			c := Container{Min: list(lowest[0], lowest[1]), Max: list(highest[0], highest[1])}.
				Compile(Global{MaxAllowed: list(global[0], global[1])}, Rounding{tc.unit, tc.unit}, tc.whole)
			uncapped, capped, bound := c.Apply(tc.resource, tc.value)
			require.Equal(t, tc.uncapped, uncapped)
			require.Equal(t, tc.capped, capped)
			require.Equal(t, tc.bound, bound)
		})
	}
}

func TestACompiledPolicyTellsWhatItControlsAndWhereItContradictsItself(t *testing.T) {
	p := &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
		{ContainerName: "off", Mode: &off},
		{ContainerName: "app", MinAllowed: list("2", "2Gi"), MaxAllowed: list("1", "")},
	}}
	global := Global{MaxAllowed: list("", "1Gi")}
	c := ForContainer(p, "off").Compile(global, Rounding{}, false)
	require.False(t, c.Controls(usage.CPU))
	require.False(t, c.Contradicts(usage.CPU))
	c = ForContainer(p, "app").Compile(global, Rounding{}, false)
	require.True(t, c.Controls(usage.Memory))
	require.True(t, c.Contradicts(usage.CPU))
	require.True(t, c.Contradicts(usage.Memory), "the global maximum counts too")
}

func TestApplyingAPolicyDoesNotAllocate(t *testing.T) {
	c := Container{Min: list("2", "2Gi"), Max: list("1", "3Gi")}.Compile(Global{}, Rounding{10, 1 << 20}, true)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, r := range usage.Resources {
			c.Apply(r, 12345)
		}
	}))
}

func TestOnlyTheVPAsAnnotationAsksForWholeCPUs(t *testing.T) {
	const prefix = "vpa-post-processor.kubernetes.io/"
	for name, tc := range map[string]struct {
		key, value string
		want       bool
	}{
		"asked for":         {prefix + "app_integerCPU", "true", true},
		"another container": {prefix + "web_integerCPU", "true", false},
		"another value":     {prefix + "app_integerCPU", "True", false},
		"another suffix":    {prefix + "app_integerMemory", "true", false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, IntegerCPU(map[string]string{tc.key: tc.value}, "app")) })
	}
	require.False(t, IntegerCPU(map[string]string{prefix + "_integerCPU": "true"}, ""))
	require.False(t, IntegerCPU(nil, "app"))
}

func BenchmarkApply(b *testing.B) {
	c := Container{Min: list("100m", "512Mi"), Max: list("4", "4Gi")}.Compile(Global{}, Rounding{10, 1 << 20}, false)
	b.ReportAllocs()
	for v := usage.Amount(0); b.Loop(); v++ {
		c.Apply(usage.CPU, v)
	}
}

// TestWhatTheWebhookAddsIsRecommended holds the recommender's policy to the webhook's decision.
func TestWhatTheWebhookAddsIsRecommended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		milli := func(name string) resource.Quantity {
			return *resource.NewMilliQuantity(rapid.Int64Range(1, 9000).Draw(t, name), resource.DecimalSI)
		}
		declared := rapid.SampledFrom([]corev1.ResourceList{list("1", "1Gi"), list("3", "1Gi"), list("1500m", "1Gi")}).Draw(t, "declared")
		policy := vpav1.ContainerResourcePolicy{MinAllowed: corev1.ResourceList{"cpu": milli("min")}, MaxAllowed: corev1.ResourceList{"cpu": milli("max")}}
		target := milli("target")
		vpa := vpaOf(corev1.ResourceList{"cpu": target}, policy)
		vpa.Annotations = map[string]string{FloorAnnotation: rapid.SampledFrom([]string{"declared", "none"}).Draw(t, "floor")}
		pod := PodOf(podOf(container(app, declared, declared)), nil)
		rules := RulesOf(vpa, vpa.Status.Recommendation, byDefault)

		bounds := ForContainer(vpa.Spec.ResourcePolicy, app).Compile(Global{}, Rounding{}, false).Floor(rules.Floor(&pod, app))
		fits := true
		require.Equal(t, declared.Cpu().MilliValue()%1000 == 0, rules.CPUsStayWhole(&pod, app))
		if rules.CPUsStayWhole(&pod, app) {
			bounds, fits = bounds.WholeCPUs()
		}
		given := Decide(&pod, rules, nil).Containers[0].Requests[usage.CPU]
		require.Equal(t, given.IsSet(), fits)
		if fits {
			_, capped, _ := bounds.Apply(usage.CPU, usage.Amount(target.MilliValue()))
			require.Equal(t, given.Amount(), int64(capped), "target %s, %v", target.String(), policy)
		}
	})
}
