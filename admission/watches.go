package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/mirror"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// watches keep what decisions read of the cluster, and know when all of it was seen once. All of it is needed: a pod that
// is patched without its namespace's LimitRanges may be refused for that.
type watches struct {
	owners    *target.Owners
	selectors *target.Selectors
	vpas      *webhook.Index
	ranges    *webhook.Ranges
	quotas    *webhook.Quotas
	all       []*mirror.Watch
	log       logr.Logger

	synced atomic.Bool
}

// newWatches returns watches that fill vpas, and that read by config. What targets select is read by live.
func newWatches(config *rest.Config, live client.Client, http *http.Client, vpas *webhook.Index, log logr.Logger) (*watches, error) {
	w := &watches{
		owners: target.NewOwners(), selectors: target.NewSelectors(target.Workloads{Client: live}, log.WithName("selectors")),
		vpas: vpas, ranges: webhook.NewRanges(), quotas: webhook.NewQuotas(), log: log,
	}
	vpas.Selectors = w.selectors
	objects, err := metadata.NewForConfigAndClient(config, http)
	if err != nil {
		return nil, fmt.Errorf("making a client for metadata: %w", err)
	}
	lists := lists{config: config, http: http, codecs: serializer.NewCodecFactory(live.Scheme())}
	vpaList, err := lists.of(vpav1.SchemeGroupVersion.WithKind("VerticalPodAutoscaler"), "verticalpodautoscalers")
	if err != nil {
		return nil, err
	}
	rangeList, err := lists.of(corev1.SchemeGroupVersion.WithKind("LimitRange"), "limitranges")
	if err != nil {
		return nil, err
	}
	quotaList, err := lists.of(corev1.SchemeGroupVersion.WithKind("ResourceQuota"), "resourcequotas")
	if err != nil {
		return nil, err
	}
	w.all = append(w.owners.Watches(objects),
		watch("verticalpodautoscalers", vpaList, cutVPA, vpas.Into(), "install the VPA's custom resource definitions, and allow to list and watch them"),
		watch("limitranges", rangeList, cutLimitRange, w.ranges.Into(), "allow to list and watch them: no pod is patched that they may refuse"),
		optional("resourcequotas", quotaList, cutQuota, w.quotas.Into(), "allow to list and watch them: without, nobody is warned of pods that they are too small for"),
	)
	return w, nil
}

// newReader returns what reads an owner, or what a target selects, that is not known yet. A pod's creation waits for that,
// so that no budget of ours holds it back: there are no more reads than new owners and targets, and the API server has a
// fairness of its own.
func newReader(config *rest.Config, http *http.Client, scheme *runtime.Scheme, mapper meta.RESTMapper) (client.Client, error) {
	free := rest.CopyConfig(config)
	free.QPS = -1
	reader, err := client.New(free, client.Options{HTTPClient: http, Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("making a client for owners: %w", err)
	}
	return reader, nil
}

func watch[T client.Object](kind string, list *toolscache.ListWatch, cut func(T) T, into mirror.Into[T], remedy string) *mirror.Watch {
	return newWatch(kind, list, cut, into).Needed(remedy)
}

func optional[T client.Object](kind string, list *toolscache.ListWatch, cut func(T) T, into mirror.Into[T], remedy string) *mirror.Watch {
	return newWatch(kind, list, cut, into).Optional(remedy)
}

func newWatch[T client.Object](kind string, list *toolscache.ListWatch, cut func(T) T, into mirror.Into[T]) *mirror.Watch {
	var example T
	return mirror.NewWatch(kind, mirror.InPages(list, cut), example, mirror.NewFeed(cut, into))
}

// lists make what is read by.
type lists struct {
	config *rest.Config
	http   *http.Client
	codecs serializer.CodecFactory
}

func (l *lists) of(gvk schema.GroupVersionKind, resource string) (*toolscache.ListWatch, error) {
	reader, err := apiutil.RESTClientForGVK(gvk, false, false, l.config, l.codecs, l.http)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", resource, err)
	}
	return toolscache.NewListWatchFromClient(reader, resource, corev1.NamespaceAll, fields.Everything()), nil
}

// ours is what annotations begin with that tell the webhook something.
const ours = "sartor.dev/"

// cutVPA leaves of a VPA what decisions read.
func cutVPA(vpa *vpav1.VerticalPodAutoscaler) *vpav1.VerticalPodAutoscaler {
	vpa.ManagedFields, vpa.Labels, vpa.OwnerReferences, vpa.Finalizers = nil, nil, nil, nil
	maps.DeleteFunc(vpa.Annotations, func(key, _ string) bool { return !strings.HasPrefix(key, ours) })
	vpa.Status.Conditions = nil
	if r := vpa.Status.Recommendation; r != nil {
		for i := range r.ContainerRecommendations {
			c := &r.ContainerRecommendations[i]
			c.LowerBound, c.UpperBound, c.UncappedTarget = nil, nil, nil
		}
	}
	return vpa
}

// cutLimitRange leaves of a LimitRange what it allows.
func cutLimitRange(r *corev1.LimitRange) *corev1.LimitRange {
	r.ManagedFields, r.Labels, r.Annotations, r.OwnerReferences, r.Finalizers = nil, nil, nil, nil, nil
	return r
}

// cutQuota leaves of a ResourceQuota what it bounds, and what is used of that.
func cutQuota(q *corev1.ResourceQuota) *corev1.ResourceQuota {
	q.ManagedFields, q.Labels, q.Annotations, q.OwnerReferences, q.Finalizers = nil, nil, nil, nil, nil
	q.Status.Hard = nil
	return q
}

// run watches until ctx ends, and returns nil. An API server that is away, or does not have the VPA's definition yet, is
// waited for.
func (w *watches) run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, one := range w.all {
		running.Go(func() { one.Run(ctx, w.log) })
	}
	running.Go(func() { w.selectors.Run(ctx) })
	if w.settled(ctx) {
		w.synced.Store(true)
		w.log.Info("caches are synced")
	}
	running.Wait()
	return nil
}

// settled waits until all was seen once; false if ctx ends first.
func (w *watches) settled(ctx context.Context) bool {
	for _, one := range w.all {
		if !one.Settled(ctx) {
			return false
		}
	}
	return true
}
