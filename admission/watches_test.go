package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/rest"

	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// apiServer answers lists; what it does not have is empty, or not found if it is gone. Its watches tell nothing.
type apiServer struct {
	mu    sync.Mutex
	lists map[string]any // by resource
	gone  map[string]bool
	gets  map[string]int // how often what was asked for, but for watches, by the last part of its path
}

func (a *apiServer) set(resource string, gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone[resource] = gone
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	watched := r.URL.Query().Get("watch") != ""
	a.mu.Lock()
	list, ok := a.lists[resource]
	gone := a.gone[resource]
	if !watched {
		a.gets[resource]++
	}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case gone:
		http.NotFound(w, r)
	case r.URL.Query().Get("sendInitialEvents") != "":
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonInvalid, Code: 422})
	case watched:
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case ok:
		_ = json.NewEncoder(w).Encode(list)
	default:
		_ = json.NewEncoder(w).Encode(metav1.PartialObjectMetadataList{
			TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"},
		})
	}
}

func newAPIServer() *apiServer {
	amounts := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	vpa := vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "shop", ResourceVersion: "1", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{
			policy.FloorAnnotation: "declared", "kubectl.kubernetes.io/last-applied-configuration": "{}",
		}},
		Spec: vpav1.VerticalPodAutoscalerSpec{TargetRef: &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "shop"}},
		Status: vpav1.VerticalPodAutoscalerStatus{Recommendation: &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{
			{ContainerName: "shop", Target: amounts, LowerBound: amounts, UpperBound: amounts, UncappedTarget: amounts},
		}}},
	}
	return &apiServer{gone: map[string]bool{}, gets: map[string]int{}, lists: map[string]any{
		"scale": scaleOf("app=shop"),
		"verticalpodautoscalers": vpav1.VerticalPodAutoscalerList{
			TypeMeta: metav1.TypeMeta{Kind: "VerticalPodAutoscalerList", APIVersion: "autoscaling.k8s.io/v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"},
			Items: []vpav1.VerticalPodAutoscaler{vpa},
		},
		"limitranges": corev1.LimitRangeList{
			TypeMeta: metav1.TypeMeta{Kind: "LimitRangeList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"},
			Items: []corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "r", ResourceVersion: "1"}, Spec: corev1.LimitRangeSpec{
				Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: amounts}},
			}}},
		},
	}}
}

// startWatches watches server until the test ends.
func startWatches(t *testing.T, server *httptest.Server) *watches {
	scheme := runtime.NewScheme()
	require.NoError(t, corev1.AddToScheme(scheme))
	require.NoError(t, vpav1.AddToScheme(scheme))
	index := webhook.NewIndex(policy.Cluster{Limits: policy.DefaultLimitPolicy()}, logr.Discard())
	config := &rest.Config{Host: server.URL, QPS: -1}
	live, err := newReader(config, server.Client(), scheme, mapperOf(shopKind, rolloutKind))
	require.NoError(t, err)
	w, err := newWatches(config, live, server.Client(), index, logr.Discard())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

var shop = target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}

// ages are the seconds since each kind was heard of.
func ages(t *testing.T, w *watches) map[string]float64 {
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(w))
	families, err := registry.Gather()
	require.NoError(t, err)
	ages := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "sartor_admission_watch_age_seconds" {
			continue
		}
		for _, m := range f.Metric {
			ages[m.Label[0].GetValue()] = m.Gauge.GetValue()
		}
	}
	return ages
}

func TestWhatWasSeenLastIsKnownWhileTheAPIServerIsAwayAndItsAgeIsTold(t *testing.T) {
	server := httptest.NewServer(newAPIServer())
	w := startWatches(t, server)
	require.Eventually(t, w.synced.Load, 20*time.Second, time.Millisecond)
	require.Len(t, ages(t, w), 9, "of all kinds")

	server.CloseClientConnections()
	server.Listener.Close()
	before := ages(t, w)["verticalpodautoscalers"]
	require.Eventually(t, func() bool { return ages(t, w)["verticalpodautoscalers"] > before+0.05 }, 20*time.Second, time.Millisecond)
	require.Equal(t, "shop", w.vpas.Controlling(shop).Name)
	require.NotEqual(t, policy.RangesOf(nil), w.ranges.Of("store"))
	require.True(t, w.synced.Load())
}

func TestADefinitionThatIsMissingIsWaitedFor(t *testing.T) {
	api := newAPIServer()
	api.set("verticalpodautoscalers", true)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	w := startWatches(t, server)
	require.Eventually(t, func() bool { return len(ages(t, w)) == 8 }, 20*time.Second, time.Millisecond, "all others are there")
	require.False(t, w.synced.Load())
	api.set("verticalpodautoscalers", false)
	require.Eventually(t, w.synced.Load, 20*time.Second, time.Millisecond)
	require.Equal(t, "shop", w.vpas.Controlling(shop).Name)
}

func TestAVPAIsCutToWhatDecisionsRead(t *testing.T) {
	list := newAPIServer().lists["verticalpodautoscalers"].(vpav1.VerticalPodAutoscalerList)
	whole := list.Items[0].DeepCopy()
	cut := cutVPA(&list.Items[0])
	require.Equal(t, map[string]string{policy.FloorAnnotation: "declared"}, cut.Annotations)
	require.Nil(t, cut.Labels)
	cluster := policy.Cluster{Limits: policy.DefaultLimitPolicy()}
	require.Equal(t, policy.RulesOf(whole, whole.Status.Recommendation, cluster), policy.RulesOf(cut, cut.Status.Recommendation, cluster))
}

func TestOwnersThatAreNotKnownYetAreReadWithoutABudget(t *testing.T) {
	gvk := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]},
		})
	}))
	t.Cleanup(server.Close)
	reader, err := newReader(&rest.Config{Host: server.URL, QPS: 1, Burst: 1}, server.Client(), runtime.NewScheme(), mapperOf(gvk))
	require.NoError(t, err)
	resolver := target.NewResolverOf(target.NewOwners(), reader, nil)
	yes := true
	for i := range 300 {
		name := fmt.Sprintf("shop-%d", i)
		got, found, err := resolver.Topmost(t.Context(), "store", []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: name, Controller: &yes}})
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, name, got.Name)
	}
}
