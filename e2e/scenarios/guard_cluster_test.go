package scenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

const guarded = "guarded" // namespace of the workloads whose VPAs cannot be read

// floored has a VPA with this minimum.
func floored(name, cpu string) service {
	return service{
		name: name, cpu: "350m", memory: "900Mi", resources: "requests: {cpu: 50m}",
		more: fmt.Sprintf("resourcePolicy: {containerPolicies: [{containerName: app, minAllowed: {cpu: %q}}]}", cpu),
	}
}

// badStatus is one that takes minutes to decode, or cannot be.
func badStatus(cpu string) string {
	return fmt.Sprintf(`{"status":{"recommendation":{"containerRecommendations":[{"containerName":"app","target":{"cpu":%q}}]}}}`, cpu)
}

// TestVPAsThatCannotBeReadStopNobodyElse: nobody validates when they are written, and both programs find them when they
// start. All of them pass the VPA's definition.
func TestVPAsThatCannotBeReadStopNobodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	c := start(t, cluster.Options{Name: "guard"})
	sartor, err := install.Prepare(t.Context(), c, install.Options{RecommenderArgs: []string{"--recommender-interval=2s"}, Race: true, Progress: t.Output()})
	require.NoError(t, err)
	kubectl := func(stdin string, args ...string) string {
		t.Helper()
		out, err := c.Kubectl(t.Context(), stdin, append([]string{"-n", guarded}, args...)...)
		require.NoError(t, err)
		return out
	}
	patchStatus := func(vpa, patch string) {
		kubectl("", "patch", "vpa", vpa, "--subresource=status", "--type=merge", "-p", patch)
	}
	bad := map[string]string{"tiny": "1e-100000000", "broken": "1e1.5", "long": strings.Repeat("9", 100_000)}
	deploy(t, c, guarded, floored("shop", "100m"), floored("written", "100m"), floored("tiny", bad["tiny"]), floored("broken", bad["broken"]), floored("long", bad["long"]))
	patchStatus("written", badStatus("1e-100000000"))
	kubectl(`{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscalerCheckpoint, metadata: {name: shop-app},
		spec: {vpaObjectName: shop, containerName: app}, status: {version: v3, cpuHistogram: {bucketWeights: {"1": -1}}}}`, "create", "-f", "-")

	require.NoError(t, sartor.StartRecommender(t.Context()))
	require.NoError(t, sartor.StartAdmission(t.Context()))
	recommends := func(vpa string) {
		t.Helper()
		eventually(t, "a recommendation for "+vpa, func(ctx context.Context) error {
			target, err := c.Kubectl(ctx, "", "-n", guarded, "get", "vpa", vpa, "-o=jsonpath={.status.recommendation.containerRecommendations[0].target.cpu}")
			if err == nil && target != "410m" && target != "406m" {
				err = fmt.Errorf("recommends %q", target)
			}
			return err
		})
	}
	recommends("shop")
	recommends("written")
	for vpa, quantity := range bad {
		eventually(t, "the VPA says what is wrong with it", func(ctx context.Context) error {
			said, err := c.Kubectl(ctx, "", "-n", guarded, "get", "vpa", vpa, `-o=jsonpath={.status.conditions[?(@.type=="ConfigUnsupported")]}`)
			field := `containerPolicies[0].minAllowed.cpu: \"` + quantity[:min(len(quantity), 20)]
			if err == nil && (!strings.Contains(said, "SpecUnreadable") || !strings.Contains(said, field)) {
				err = fmt.Errorf("VPA %s says %q", vpa, said)
			}
			return err
		})
	}

	// Somebody writes such a status while both programs watch; afterwards there is a VPA that is new to them.
	for _, cpu := range []string{"1e-100000000", "1e1.5"} {
		patchStatus("shop", badStatus(cpu))
		recommends("shop")
	}
	deploy(t, c, guarded, floored("later", "100m"))
	recommends("later")

	requests := func(app string) string {
		kubectl("", "rollout", "restart", "deployment/"+app)
		kubectl("", "rollout", "status", "--timeout=2m", "deployment/"+app)
		return describe(running(t, c, guarded, "app="+app, 2)[0].Spec.Containers[0].Resources)
	}
	declared := requests("tiny")
	require.Equal(t, "cpu 50m/- memory -/-", declared, "nothing is decided by half a policy")
	for _, app := range []string{"shop", "written", "later"} {
		require.NotEqual(t, declared, requests(app), app)
	}
	metrics, err := measure.Scrape(t.Context(), sartor.AdmissionURL+"/metrics")
	require.NoError(t, err)
	require.GreaterOrEqual(t, metrics.Value("sartor_admission_decisions_total", measure.Labels{"decision": "no_recommendation"}), 2.0)
}
