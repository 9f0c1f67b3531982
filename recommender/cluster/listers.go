package cluster

import (
	"fmt"
	"net/http"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// listers make what reflectors read by: typed clients, with protobuf for what Kubernetes itself has.
type listers struct {
	config    *rest.Config
	http      *http.Client
	scheme    *runtime.Scheme
	namespace string
}

func (l *listers) listWatch(gvk schema.GroupVersionKind, resource string, selector fields.Selector) (*toolscache.ListWatch, error) {
	client, err := apiutil.RESTClientForGVK(gvk, false, false, l.config, serializer.NewCodecFactory(l.scheme), l.http)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server for %s: %w", resource, err)
	}
	return toolscache.NewListWatchFromClient(client, resource, l.namespace, selector), nil
}

// kinds are the lists that are watched.
type kinds struct {
	pods, vpas, hpas, evictions, limitRanges *toolscache.ListWatch
}

func (l *listers) all() (k kinds, err error) {
	for _, kind := range []struct {
		lister   **toolscache.ListWatch
		gvk      schema.GroupVersionKind
		resource string
		selector fields.Selector
	}{
		{&k.pods, corev1.SchemeGroupVersion.WithKind("Pod"), "pods", fields.OneTermNotEqualSelector("status.phase", string(corev1.PodPending))},
		{&k.vpas, vpav1.SchemeGroupVersion.WithKind("VerticalPodAutoscaler"), "verticalpodautoscalers", fields.Everything()},
		{&k.hpas, autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), "horizontalpodautoscalers", fields.Everything()},
		{&k.evictions, corev1.SchemeGroupVersion.WithKind("Event"), "events", fields.OneTermEqualSelector("reason", evicted)},
		{&k.limitRanges, corev1.SchemeGroupVersion.WithKind("LimitRange"), "limitranges", fields.Everything()},
	} {
		if *kind.lister, err = l.listWatch(kind.gvk, kind.resource, kind.selector); err != nil {
			return kinds{}, err
		}
	}
	return k, nil
}
