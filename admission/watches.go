package main

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// newManager returns the manager that holds the caches and serves metrics and probes. There is no
// leader: every replica answers.
func newManager(config *rest.Config, o *options, log logr.Logger) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, admissionregistrationv1.AddToScheme, vpav1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	mgr, err := manager.New(config, manager.Options{
		Scheme:                 scheme,
		Logger:                 log,
		Metrics:                metricsserver.Options{BindAddress: o.address},
		HealthProbeBindAddress: "0", // beside the metrics, see addProbes
		Cache: cache.Options{
			// Options by kind would make the cache ask the API server right now, which may be away, or
			// not have the VPA's definition yet.
			DefaultTransform: trim,
			// A read of what is not watched is a mistake, and must not start a watch for it.
			ReaderFailOnMissingInformer: true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	return mgr, nil
}

// trim leaves of an object what a decision reads.
func trim(object any) (any, error) {
	vpa, ok := object.(*vpav1.VerticalPodAutoscaler)
	if !ok {
		return target.Transform(object)
	}
	vpa.ManagedFields, vpa.Annotations, vpa.Labels = nil, nil, nil
	vpa.Status.Conditions = nil
	return vpa, nil
}

// rewatch is the pause before a watch that could not be started is tried again.
const rewatch = 5 * time.Second

// watches starts what the webhook watches, and knows when all of it was seen once.
type watches struct {
	informers cache.Informers
	vpas      toolscache.ResourceEventHandler
	log       logr.Logger

	synced atomic.Bool
}

// run starts every watch, waits until all are synced and returns nil; also if ctx ends before that.
// An API server that is away, or does not have the VPA's definition yet, is waited for.
func (w *watches) run(ctx context.Context) error {
	var synced []toolscache.InformerSynced
	for _, object := range append(target.Watched(), &vpav1.VerticalPodAutoscaler{}) {
		hasSynced, ok := w.start(ctx, object)
		if !ok {
			return nil
		}
		synced = append(synced, hasSynced)
	}
	if toolscache.WaitForCacheSync(ctx.Done(), synced...) {
		w.synced.Store(true)
		w.log.Info("caches are synced")
	}
	return nil
}

// start starts the watch of object's kind, however long that takes; false if ctx ended first.
func (w *watches) start(ctx context.Context, object client.Object) (toolscache.InformerSynced, bool) {
	problem := ""
	for {
		hasSynced, err := w.informer(ctx, object)
		if err == nil {
			return hasSynced, true
		}
		if err.Error() != problem && ctx.Err() == nil {
			problem = err.Error()
			w.log.Error(err, "a watch could not be started; trying again", "kind", kindOf(object), "every", rewatch)
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(rewatch):
		}
	}
}

// kindOf names an object's kind for the log: metadata carries it, typed objects are of their kind.
func kindOf(object client.Object) string {
	return cmp.Or(object.GetObjectKind().GroupVersionKind().Kind, fmt.Sprintf("%T", object))
}

func (w *watches) informer(ctx context.Context, object client.Object) (toolscache.InformerSynced, error) {
	informer, err := w.informers.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	if _, ok := object.(*vpav1.VerticalPodAutoscaler); !ok {
		return informer.HasSynced, nil
	}
	// The index has to have seen the VPAs, not only the cache.
	registration, err := informer.AddEventHandler(w.vpas)
	if err != nil {
		return nil, err
	}
	return registration.HasSynced, nil
}
