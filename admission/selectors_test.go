package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/target"
)

var (
	shopKind    = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	rolloutKind = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout"}
)

func mapperOf(kinds ...schema.GroupVersionKind) meta.RESTMapper {
	var versions []schema.GroupVersion
	for _, kind := range kinds {
		versions = append(versions, kind.GroupVersion())
	}
	mapper := meta.NewDefaultRESTMapper(versions)
	for _, kind := range kinds {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	return mapper
}

func scaleOf(selector string) autoscalingv1.Scale {
	return autoscalingv1.Scale{TypeMeta: metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"}, Status: autoscalingv1.ScaleStatus{Selector: selector}}
}

func TestWhatTargetsSelectIsReadAndTold(t *testing.T) {
	api := newAPIServer()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	w := startWatches(t, server)
	require.Eventually(t, func() bool { return w.selectors.Figures().Known == 1 }, 20*time.Second, time.Millisecond)
	require.NoError(t, testutil.CollectAndCompare(w, strings.NewReader(`
# HELP sartor_admission_selector_reads_total Reads of what targets of VPAs select, by result.
# TYPE sartor_admission_selector_reads_total counter
sartor_admission_selector_reads_total{result="failed"} 0
sartor_admission_selector_reads_total{result="ok"} 1
# HELP sartor_admission_selector_unknown_total Pods that were matched by their controller alone, for it could not be known whether it selects them.
# TYPE sartor_admission_selector_unknown_total counter
sartor_admission_selector_unknown_total 0
# HELP sartor_admission_selectors Targets of VPAs by whether it is known which pods they select. Of unknown ones all pods are patched.
# TYPE sartor_admission_selectors gauge
sartor_admission_selectors{state="known"} 1
sartor_admission_selectors{state="unknown"} 0
`), "sartor_admission_selector_reads_total", "sartor_admission_selector_unknown_total", "sartor_admission_selectors"))
	control := w.vpas.Controlling(shop)
	require.True(t, control.Selects(t.Context(), labels.Set{"app": "shop"}))
	require.False(t, control.Selects(t.Context(), labels.Set{"app": "other"}))
}

func TestA500FromAScaleLosesNoPodAndIsOverWithTheNextRead(t *testing.T) {
	api := newAPIServer()
	var fails atomic.Bool
	fails.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() && strings.HasSuffix(r.URL.Path, "/scale") {
			http.Error(w, "etcdserver: leader changed", http.StatusInternalServerError)
			return
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	w := startWatches(t, server)
	require.Eventually(t, func() bool { return w.selectors.Figures().Failed > 0 }, 20*time.Second, time.Millisecond)
	require.True(t, w.vpas.Controlling(shop).Selects(t.Context(), labels.Set{"app": "other"}), "nobody can tell")
	require.EqualValues(t, 1, w.selectors.Figures().Pods)
	fails.Store(false)
	require.Eventually(t, func() bool { return !w.vpas.Controlling(shop).Selects(t.Context(), labels.Set{"app": "other"}) }, 20*time.Second, 10*time.Millisecond)
}

// rollouts is an API server with so many of them, each with a VPA and a ReplicaSet.
func rollouts(n int) *apiServer {
	api := newAPIServer()
	vpas := api.lists["verticalpodautoscalers"].(vpav1.VerticalPodAutoscalerList)
	first := vpas.Items[0]
	vpas.Items = nil
	replicaSets := metav1.PartialObjectMetadataList{
		TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"},
	}
	yes := true
	for i := range n {
		vpa, name := first.DeepCopy(), fmt.Sprintf("shop-%d", i)
		vpa.Name = name
		vpa.Spec.TargetRef = &autoscalingv1.CrossVersionObjectReference{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: name}
		vpas.Items = append(vpas.Items, *vpa)
		replicaSets.Items = append(replicaSets.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: "store", Name: name + "-5d8f", ResourceVersion: "1",
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: name, Controller: &yes}},
		}})
	}
	api.lists["verticalpodautoscalers"], api.lists["replicasets"] = vpas, replicaSets
	api.lists["v1alpha1"] = metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "argoproj.io/v1alpha1",
		APIResources: []metav1.APIResource{{Name: "rollouts", Namespaced: true, Kind: "Rollout"}, {Name: "rollouts/scale", Namespaced: true, Kind: "Scale"}},
	}
	return api
}

func (a *apiServer) got(resource string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gets[resource]
}

// burst lets n pods with this label app be created, 64 at once, and returns how many got a patch.
func burst(t *testing.T, handler http.Handler, n, rollouts int, app string) int {
	patched := make(chan bool, n)
	var creating errgroup.Group
	creating.SetLimit(64)
	for i := range n {
		creating.Go(func() error {
			body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"7","operation":"CREATE","namespace":"store",
				"resource":{"version":"v1","resource":"pods"},"object":{"metadata":{"labels":{"app":%q},"ownerReferences":[{"apiVersion":"apps/v1",
				"kind":"ReplicaSet","name":"shop-%d-5d8f","controller":true}]},"spec":{"containers":[{"name":"shop"}]}}}}`, app, i%rollouts)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequestWithContext(context.Background(), http.MethodPost, podsPath+"?timeout=30s", strings.NewReader(body)))
			patched <- bytes.Contains(recorder.Body.Bytes(), []byte(`"patch":`))
			var answer struct{ Response struct{ Allowed bool } }
			if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || !answer.Response.Allowed {
				return fmt.Errorf("%s: %w", recorder.Body, err)
			}
			return nil
		})
	}
	require.NoError(t, creating.Wait())
	close(patched)
	count := 0
	for one := range patched {
		if one {
			count++
		}
	}
	return count
}

// TestABurstOfRolloutsPodsCostsReadsByTargetsAndNotByPods has all of the program's parts but TLS.
func TestABurstOfRolloutsPodsCostsReadsByTargetsAndNotByPods(t *testing.T) {
	const targets = 50
	api := rollouts(targets)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	w := startWatches(t, server)
	config := &rest.Config{Host: server.URL, QPS: 50, Burst: 100} // the program's default
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(config, server.Client())
	require.NoError(t, err)
	handler := webhook.NewHandler(webhook.Config{
		Owners: target.NewResolverOf(w.owners, nil, target.NewDiscovery(disco)), VPAs: w.vpas, LimitRanges: w.ranges,
		Synced: w.synced.Load, Log: logr.Discard(), Registerer: prometheus.NewRegistry(),
	})
	require.Eventually(t, w.synced.Load, 20*time.Second, time.Millisecond)

	require.Equal(t, 2_000, burst(t, handler, 2_000, targets, "shop"), "all are patched")
	require.LessOrEqual(t, api.got("scale"), 2*targets, "by whoever came first, the pods or the background")
	require.Equal(t, 1, api.got("v1alpha1"))
	require.Eventually(t, func() bool { return w.selectors.Figures().Known == targets }, 20*time.Second, time.Millisecond)

	before, start := api.got("scale"), time.Now()
	waited := w.selectors.Figures().Pods
	patched := burst(t, handler, 2_000, targets, "other")
	require.EqualValues(t, w.selectors.Figures().Pods-waited, patched, "none is patched but those that waited too long for a read")
	require.Less(t, patched, 200)
	require.LessOrEqual(t, api.got("scale")-before, targets*int(1+time.Since(start)/(2*time.Second)), "and it is made sure of it, at times")

	api.set("scale", true)
	require.Equal(t, 2_000, burst(t, handler, 2_000, targets, "shop"), "what was read last holds while reads fail")
}
