package charts

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// TestOnARealAPIServer shows it all that can be installed, and lets a service run.
func TestOnARealAPIServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	c := start(t, cluster.Options{Name: "charts"})
	for _, file := range append(definitionFiles(t), filepath.Join(deploy, "crds")) {
		kubectl(t, c, "", "apply", "--server-side", "-f", file)
	}
	kubectl(t, c, "", "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
	for _, namespace := range []string{"sartor-system", "store", "second-system", "grafana"} {
		kubectl(t, c, "", "create", "namespace", namespace)
	}
	t.Run("every way to install is taken", func(t *testing.T) { installs(t, c) })
	t.Run("all pods are taken where the namespace is restricted", func(t *testing.T) { restricted(t, c) })
	t.Run("an upgrade leaves what the webhook wrote", func(t *testing.T) { upgrades(t, c) })

	_, err := install.Run(t.Context(), c, install.Options{Progress: t.Output()})
	require.NoError(t, err)
	// With our webhook in place, which reviews VPAs.
	t.Run("every example of a service is taken", func(t *testing.T) {
		for _, file := range examples(t, "service") {
			taken(t, c, file, example(t, file).manifests(t))
		}
	})
	t.Run("an HPA by requests and the VPA work side by side", func(t *testing.T) { sideBySide(t, c) })
}

// taken fails unless the API server would take the manifests, all their fields known.
func taken(t *testing.T, c *cluster.Cluster, what, manifests string) {
	t.Helper()
	_, err := c.Kubectl(t.Context(), manifests, "apply", "--dry-run=server", "--validate=strict", "-f", "-")
	require.NoError(t, err, what)
}

// variants are all ways to install that deploy/ and the chart offer, by what they are called.
func variants(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{
		"chart":                   sartor().manifests(t),
		"chart with cert-manager": sartor("webhook: {certManager: {enabled: true}}").manifests(t),
		"base":                    kustomize(t),
	}
	for _, file := range examples(t, "sartor") {
		all["chart with "+file] = sartor(read(t, chart("sartor"), "examples", file)).manifests(t)
	}
	for _, overlay := range overlays(t) {
		all[overlay] = kustomize(t, "overlays/"+overlay)
	}
	components := []string{
		"overlays/production", "components/cert-manager", "components/limit-policy", "components/network-policy",
		"components/prometheus-http-config", "monitoring/operator", "monitoring/dashboards",
	}
	for _, component := range components {
		all[component] = kustomize(t, component)
	}
	all["all components"] = kustomize(t, components...)
	return all
}

func installs(t *testing.T, c *cluster.Cluster) {
	for name, manifests := range variants(t) {
		taken(t, c, name, manifests)
	}
}

// upgrades is about objects that the chart makes empty and the webhook fills. kubectl apply merges as Helm does: what was
// applied before, what is now, and what is there.
func upgrades(t *testing.T, c *cluster.Cluster) {
	second := func(version string) string {
		r := sartor("name: second\ncrds: {install: false}\nwebhook: {configurationName: second}", "image: {tag: "+version+"}")
		r.name, r.namespace = "second", "second-system"
		return r.manifests(t)
	}
	kubectl(t, c, second("v1"), "apply", "-f", "-")
	t.Cleanup(func() {
		_, err := c.Kubectl(context.WithoutCancel(t.Context()), second("v2"), "delete", "-f", "-")
		require.NoError(t, err)
	})
	written := []struct{ object, namespace, patch, path, want string }{
		{"secret/second-admission-ca", "second-system", `[{"op": "add", "path": "/data", "value": {"ca.crt": "Y2E="}}]`, "{.data.ca\\.crt}", "Y2E="},
		{"mutatingwebhookconfiguration/second", "", `[{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "` + bundle + `"}]`, "{.webhooks[0].clientConfig.caBundle}", bundle},
		{"lease/vpa-admission-controller", "kube-system", `[{"op": "add", "path": "/spec/holderIdentity", "value": "replica"}]`, "{.spec.holderIdentity}", "replica"},
	}
	for _, w := range written {
		kubectl(t, c, "", "-n", w.namespace, "patch", w.object, "--type=json", "-p", w.patch)
	}
	kubectl(t, c, second("v2"), "apply", "-f", "-")
	image := kubectl(t, c, "", "-n", "second-system", "get", "deployment/second-admission", "-o=jsonpath={.spec.template.spec.containers[0].image}")
	require.Equal(t, "ghcr.io/sartor-vpa/admission:v2", image)
	for _, w := range written {
		require.Equal(t, w.want, kubectl(t, c, "", "-n", w.namespace, "get", w.object, "-o=jsonpath="+w.path), w.object)
	}
}

// bundle is what could be a certificate authority's, to the API server.
const bundle = "Y2E="

// onCPU is the HPA that should not be.
const onCPU = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: till-by-cpu, namespace: store}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: till}
  minReplicas: 2
  maxReplicas: 6
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
`

// usage is what a service's container uses on the simulated nodes.
const usage = "podAnnotations: {usage/cpu: 430m, usage/memory: 640Mi}"

// sideBySide: a service with 230 requests per second, at 50 for each pod, gets five pods, and its pods what they use. Its
// VPA has no conflict. A service like it that is scaled on CPU has.
func sideBySide(t *testing.T, c *cluster.Cluster) {
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	(&requests{pods: client, perSecond: 230}).serve(t, c)
	till := service(minimal, usage)
	till.name = "till"
	kubectl(t, c, till.manifests(t)+"---\n"+onCPU, "apply", "-f", "-")
	kubectl(t, c, service(minimal, usage, "hpa: {enabled: true, avgRequestsPerSecond: 50}").manifests(t), "apply", "-f", "-")

	eventually(t, "the VPA of what is scaled on CPU has a conflict", func(ctx context.Context) error {
		vpa, err := story.GetVPA(ctx, c, "store", "till")
		if err == nil && !story.Is(vpa, loop.HPAConflict) {
			err = fmt.Errorf("conditions %+v", vpa.Status.Conditions)
		}
		return err
	})
	eventually(t, "the HPA by requests is content with five pods", func(ctx context.Context) error {
		var hpa autoscalingv2.HorizontalPodAutoscaler
		err := story.Get(ctx, c, &hpa, "-n", "store", "get", "hpa", "shop")
		if err == nil && (hpa.Status.CurrentReplicas != 5 || hpa.Status.DesiredReplicas != 5) {
			err = fmt.Errorf("status %+v", hpa.Status)
		}
		return err
	})
	vpa, err := story.GetVPA(t.Context(), c, "store", "shop")
	require.NoError(t, err)
	require.True(t, story.Is(vpa, "RecommendationProvided"), "%+v", vpa.Status.Conditions)
	for _, condition := range vpa.Status.Conditions {
		require.NotEqual(t, loop.HPAConflict, condition.Type, "%+v", condition)
	}
	target := story.Target(vpa, "shop")
	require.Positive(t, target.Cpu().MilliValue()-430, "the pods use 430m")

	// A pod that the HPA adds now is given it.
	kubectl(t, c, "", "-n", "store", "delete", "pod", "--selector=app=shop", "--wait=false")
	eventually(t, "new pods request what is recommended, with whole CPUs as limits", func(ctx context.Context) error {
		var pods corev1.PodList
		if err := story.Get(ctx, c, &pods, "-n", "store", "get", "pods", "--selector=app=shop"); err != nil {
			return err
		}
		n := 0
		for _, pod := range pods.Items {
			got := pod.Spec.Containers[0].Resources
			if pod.DeletionTimestamp == nil && got.Requests.Cpu().MilliValue() > 430 && got.Limits.Cpu().String() == "2" {
				n++
			}
		}
		if n != 5 {
			return fmt.Errorf("%d of %d pods are", n, len(pods.Items))
		}
		return nil
	})
}
