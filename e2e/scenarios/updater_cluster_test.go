package scenarios

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
	"github.com/sartor-vpa/sartor/e2e/story"
)

const evicted = "evicted" // namespace of the workloads that upstream's updater works on

// small are services that ask for far less than they use, each in a way that the webhook treats in its own.
var small = []service{
	{name: "plain", cpu: "900m", memory: "1Gi", resources: "requests: {cpu: 50m, memory: 64Mi}, limits: {cpu: 100m, memory: 128Mi}"},
	{name: "floored", cpu: "10m", memory: "64Mi", resources: "requests: {cpu: 100m, memory: 64Mi}",
		more: "resourcePolicy: {containerPolicies: [{containerName: app, minAllowed: {cpu: 700m, memory: 1Gi}}]}"},
	// Guaranteed: limits equal requests and CPUs are whole, before and after. The estimate is about 4.3 CPUs, so
	// that the pods get 5, which is more than 10 % off: the recommender has to announce 5.
	{name: "whole", cpu: "3700m", memory: "3Gi", resources: "requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}"},
	{name: "capped", cpu: "2500m", memory: "2Gi", resources: "requests: {cpu: 10m, memory: 64Mi}",
		more: "resourcePolicy: {containerPolicies: [{containerName: app, maxAllowed: {cpu: 1500m, memory: 1Gi}}]}"},
}

// evictOnce: pods far from the recommendation are evicted, come back with it, and are left alone then.
func (p *programs) evictOnce(t *testing.T) {
	deploy(t, p.cluster, evicted, small...)
	recommender := p.startOurs(t)
	require.NoError(t, p.ours.StartAdmission(t.Context()))
	for _, s := range small {
		p.untilPublished(t, s.name, func(r recommendation) error {
			// Before it has been measured for a while it has used less.
			if s.name != "floored" && r.values["app target cpu"] < 0.8 {
				return fmt.Errorf("recommends %v", r.values)
			}
			return nil
		})
	}
	updater, err := p.theirs.StartUpdater(t.Context(),
		"--vpa-object-namespace="+evicted, "--updater-interval=2s", "--min-replicas=1", "--eviction-tolerance=1",
		// Pods that are within bounds, too, may be evicted after a moment, when they are 10 % off the target: a
		// webhook that gives more than the recommender announces would have its pods evicted for ever.
		"--in-recommendation-bounds-eviction-lifetime-threshold=1s",
	)
	require.NoError(t, err)
	defer stop(t, recommender, updater)
	defer func() { require.NoError(t, p.ours.Admission.Stop(t.Context())) }()

	eventually(t, "every pod has its VPA's target", func(context.Context) error { return p.fitted(t) })
	once := evictions(t, updater)
	require.Len(t, once, len(small), "of every service: %v", once)
	for name, n := range once {
		require.GreaterOrEqual(t, n, 2.0, "both pods of %s", name)
	}
	afterLoops(t, updater, 6)
	require.Equal(t, once, evictions(t, updater), "and never again")
	require.NoError(t, p.fitted(t))
}

// fitted is nil when all pods of all services request exactly what their VPAs say.
func (p *programs) fitted(t *testing.T) error {
	published := p.published.last()
	pods, err := kubeClient(t, p.cluster).CoreV1().Pods(evicted).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		service := pod.Labels["app"]
		target := describe(corev1.ResourceRequirements{Requests: story.Target(published[service].vpa, "app")})
		resources := pod.Spec.Containers[0].Resources
		if got := describe(corev1.ResourceRequirements{Requests: resources.Requests}); got != target {
			return fmt.Errorf("pod %s requests %s and its VPA recommends %s", pod.Name, got, target)
		}
		if service == "whole" {
			require.Equal(t, corev1.PodQOSGuaranteed, pod.Status.QOSClass, pod.Name)
			require.Zero(t, resources.Limits.Cpu().MilliValue()%1000, "%s: %s", pod.Name, resources.Limits.Cpu())
		}
	}
	return nil
}

// evictions is how many pods of each VPA upstream's updater says it has evicted.
func evictions(t *testing.T, updater *install.Program) map[string]float64 {
	metrics, err := measure.Scrape(t.Context(), updater.URL+"/metrics")
	require.NoError(t, err)
	all := map[string]float64{}
	for _, s := range small {
		if n := metrics.Value("vpa_updater_evicted_pods_total", measure.Labels{"vpa_name": s.name}); n > 0 {
			all[s.name] = n
		}
	}
	return all
}
