// Package cluster is what the recommender sees of Kubernetes, and the only thing through which it writes.
package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// DefaultRecommender is the recommender that VPAs have which name none.
const DefaultRecommender = "default"

// Cluster reads from a cache and writes through a client.
type Cluster struct {
	client      client.Client
	resolver    *target.Resolver
	recommender string
	log         logr.Logger
	changed     chan struct{}

	options   Options
	reader    client.Reader
	informers cache.Cache
	recorder  events.EventRecorder
	watches   []*watch
	pods      *pods
	vpas      *vpas
	hpas      *hpas
	running   sync.WaitGroup
	// regrouped says that owners have got other owners since the last PodChanges.
	regrouped    atomic.Bool
	ownersSynced chan struct{}
}

// New returns the view of the recommender of that name. c must read from a cache with CacheOptions.
func New(c client.Client, r *target.Resolver, recommender string, log logr.Logger) *Cluster {
	cluster := &Cluster{
		client: c, resolver: r, recommender: recommender, log: log, changed: make(chan struct{}, 1),
		pods: newPods(), hpas: newHPAs(), ownersSynced: make(chan struct{}),
	}
	cluster.vpas = &vpas{changed: cluster.signal}
	return cluster
}

// Pod is what a recommendation depends on of a pod that has been started.
type Pod struct {
	Name       types.NamespacedName
	Controller target.Controller
	Created    time.Time
	// Containers are the names of those that run as long as the pod, in their order.
	Containers []string
	// Declared is what they asked for before the webhook changed it, and Guaranteed the pod's QoS class then.
	Declared   policy.Declaration
	Guaranteed bool
}

// VPAs returns all VPAs of this recommender. They belong to the cache: read only.
func (c *Cluster) VPAs(ctx context.Context) ([]*vpav1.VerticalPodAutoscaler, error) {
	if c.watches != nil {
		return c.vpas.chosen(c.ours), nil
	}
	var list vpav1.VerticalPodAutoscalerList
	if err := c.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing VPAs: %w", err)
	}
	vpas := make([]*vpav1.VerticalPodAutoscaler, 0, len(list.Items))
	for i := range list.Items {
		if vpa := &list.Items[i]; c.ours(vpa) {
			vpas = append(vpas, vpa)
		}
	}
	return vpas, nil
}

// ours reports whether a VPA is to be worked on here.
func (c *Cluster) ours(vpa *vpav1.VerticalPodAutoscaler) bool {
	return c.options.sees(vpa.Namespace) && c.named(vpa) && (c.options.Owns == nil || c.options.Owns(vpa))
}

// named reports whether a VPA names this recommender.
func (c *Cluster) named(vpa *vpav1.VerticalPodAutoscaler) bool {
	if len(vpa.Spec.Recommenders) == 0 {
		return c.recommender == DefaultRecommender
	}
	return slices.ContainsFunc(vpa.Spec.Recommenders, func(r *vpav1.VerticalPodAutoscalerRecommenderSelector) bool {
		return r != nil && r.Name == c.recommender
	})
}

// Pods returns all pods that have a topmost controller. A pod whose owners cannot be read now is left out.
func (c *Cluster) Pods(ctx context.Context) ([]Pod, error) {
	var list corev1.PodList
	if err := c.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	pods := make([]Pod, 0, len(list.Items))
	for i := range list.Items {
		p := &list.Items[i]
		controller, found, err := c.resolver.Topmost(ctx, p.Namespace, p.OwnerReferences)
		if err != nil {
			c.log.V(1).Info("Pod left out until its owners can be read", "pod", client.ObjectKeyFromObject(p), "reason", err.Error())
			continue
		}
		if found {
			pods = append(pods, podOf(p, controller))
		}
	}
	return pods, nil
}

func podOf(p *corev1.Pod, controller target.Controller) Pod {
	pod := Pod{
		Name:       client.ObjectKeyFromObject(p),
		Controller: controller,
		Created:    p.CreationTimestamp.Time,
		Declared:   policy.Declared(p.Annotations, p.Spec.Containers),
	}
	pod.Guaranteed = policy.Guaranteed(pod.Declared, p.Spec.InitContainers)
	for i := range p.Spec.Containers {
		pod.Containers = append(pod.Containers, p.Spec.Containers[i].Name)
	}
	return pod
}

// WriteStatus makes status the VPA's and returns the VPA as it is then.
func (c *Cluster) WriteStatus(ctx context.Context, vpa *vpav1.VerticalPodAutoscaler, status vpav1.VerticalPodAutoscalerStatus) (*vpav1.VerticalPodAutoscaler, error) {
	changed := vpa.DeepCopy()
	changed.Status = status
	if err := c.client.Status().Patch(ctx, changed, client.MergeFrom(vpa)); err != nil {
		return nil, fmt.Errorf("writing the status of VPA %s/%s: %w", vpa.Namespace, vpa.Name, err)
	}
	return changed, nil
}

// Changed gets a value after VPAs were created, changed in their spec, or deleted.
func (c *Cluster) Changed() <-chan struct{} { return c.changed }

// Watch makes Changed work, and fills the cache with what Pods and VPAs read.
func (c *Cluster) Watch(ctx context.Context, informers cache.Informers) error {
	for _, object := range append(target.Watched(), &corev1.Pod{}) {
		if _, err := informers.GetInformer(ctx, object); err != nil {
			return fmt.Errorf("watching %T: %w", object, err)
		}
	}
	informer, err := informers.GetInformer(ctx, &vpav1.VerticalPodAutoscaler{})
	if err != nil {
		return fmt.Errorf("watching VPAs (are the CRDs installed?): %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.signal() },
		DeleteFunc: func(any) { c.signal() },
		UpdateFunc: func(before, after any) {
			a, _ := before.(*vpav1.VerticalPodAutoscaler)
			b, _ := after.(*vpav1.VerticalPodAutoscaler)
			// Our own writes of the status come by here too and change no generation.
			if a == nil || b == nil || a.Generation != b.Generation || a.UID != b.UID {
				c.signal()
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching VPAs: %w", err)
	}
	return nil
}

func (c *Cluster) signal() {
	select {
	case c.changed <- struct{}{}:
	default: // one is waiting already
	}
}
