package webhook

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	upstreamvpa "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/vpa"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	upstreamtarget "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target"
	controllerfetcher "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target/controller_fetcher"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// upstreams is upstream's matcher in this world, of the VPAs in the indexer.
func (w *world) upstreams(t *testing.T, config *rest.Config) (toolscache.Indexer, upstreamvpa.Matcher) {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	factory := informers.NewSharedInformerFactory(kubernetesfake.NewSimpleClientset(w.objects...), time.Hour)
	live := kubernetes.NewForConfigOrDie(config)
	selectors := upstreamtarget.NewVpaTargetSelectorFetcher(config, live, factory, never)
	controllers := controllerfetcher.NewControllerFetcher(config, live, factory, time.Hour, time.Hour, 1, never)
	factory.Start(never)
	factory.WaitForCacheSync(never)
	indexer := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{vpautil.TargetRefIndex: vpautil.TargetRefIndexFunc})
	return indexer, upstreamvpa.NewMatcher(indexer, selectors, controllers)
}

// ours finds the VPA of a pod as the handler does.
func (w *world) ours(t *testing.T, config *rest.Config) func(ctx context.Context, vpas []*vpav1.VerticalPodAutoscaler, pod *corev1.Pod) string {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "argoproj.io", Version: "v1alpha1"}})
	for _, one := range w.workloads {
		mapper.Add(schema.FromAPIVersionAndKind(one.ref.APIVersion, one.ref.Kind), meta.RESTScopeNamespace)
	}
	live, err := client.New(config, client.Options{Scheme: runtime.NewScheme(), Mapper: mapper})
	require.NoError(t, err)
	owners, selectors := target.NewResolver(w, w, w), target.NewSelectors(target.Workloads{Client: live}, logr.Discard())
	return func(ctx context.Context, vpas []*vpav1.VerticalPodAutoscaler, pod *corev1.Pod) string {
		index := NewIndex(policy.Cluster{}, logr.Discard())
		index.Selectors = selectors
		index.Into().Replace(vpas)
		topmost, found, err := owners.Topmost(ctx, pod.Namespace, pod.OwnerReferences)
		if err != nil {
			panic(err)
		}
		control := index.Controlling(topmost)
		if !found || control == nil || !control.Selects(ctx, labels.Set(pod.Labels)) {
			return ""
		}
		return control.Name
	}
}

// TestAPodHasTheVPAThatUpstreamsMatcherFinds matches by upstream's own code, with its fetchers of controllers and selectors.
func TestAPodHasTheVPAThatUpstreamsMatcherFinds(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, QPS: -1}
	indexer, matcher := w.upstreams(t, config)
	ours := w.ours(t, config)
	matched, left := map[string]int{}, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		for kind := range kindsOfWorkloads {
			of := w.workloads[kind+kindsOfWorkloads*rapid.IntRange(0, len(selectorsOfKind)-1).Draw(t, "which")]
			vpas := randomVPAs(t, of, w.workloads)
			var items []any
			for _, v := range vpas {
				items = append(items, v)
			}
			require.NoError(t, indexer.Replace(items, "1"))
			for range 4 {
				pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "p", OwnerReferences: []metav1.OwnerReference{of.owner}}}
				pod.Labels = rapid.MapOf(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"1", "2", ""})).Draw(t, "labels")
				want, of := "", of.ref
				if v := matcher.GetMatchingVPA(t.Context(), pod); v != nil {
					want = v.Name
					matched[of.Kind]++
				} else {
					left[of.Kind]++
				}
				require.Equal(t, want, ours(t.Context(), vpas, pod), "a pod of %v with labels %v", of, pod.Labels)
			}
		}
	})
	require.Len(t, matched, kindsOfWorkloads, "pods of every kind are matched: %v", matched)
	require.Len(t, left, kindsOfWorkloads, "and others of every kind are not: %v", left)
}

// randomVPAs are some on a workload, and some elsewhere.
func randomVPAs(t *rapid.T, on workload, all []workload) []*vpav1.VerticalPodAutoscaler {
	var vpas []*vpav1.VerticalPodAutoscaler
	for i := range rapid.IntRange(1, 4).Draw(t, "VPAs") {
		v := born(vpa(fmt.Sprintf("v%d", i)), rapid.Int64Range(1, 2).Draw(t, "age"), rapid.SampledFrom([]vpav1.UpdateMode{"Off", "Initial", "Recreate"}).Draw(t, "mode"))
		ref := on.ref
		if rapid.IntRange(0, 2).Draw(t, "elsewhere") == 0 {
			ref = rapid.SampledFrom(all).Draw(t, "target").ref
		}
		v.Spec.TargetRef = &ref
		vpas = append(vpas, v)
	}
	return vpas
}
