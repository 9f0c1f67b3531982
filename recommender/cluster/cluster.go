// Package cluster is what the recommender sees of Kubernetes, and the only thing through which it writes.
package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/mirror"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// DefaultRecommender is the recommender that VPAs have which name none.
const DefaultRecommender = "default"

// Cluster mirrors what the loop needs of Kubernetes, and writes through a client.
type Cluster struct {
	client      client.Client
	resolver    *target.Resolver
	recommender string
	log         logr.Logger
	changed     chan struct{}

	options     Options
	reader      client.Reader
	informers   cache.Cache
	recorder    events.EventRecorder
	watches     []*mirror.Watch
	pods        *pods
	vpas        *vpas
	hpas        *hpas
	limitRanges *limitRanges
	running     sync.WaitGroup
	// regrouped says that owners have got other owners since the last PodChanges.
	regrouped    atomic.Bool
	ownersSynced chan struct{}
}

// New returns the view of the recommender of that name, which writes by c and watches nothing: see NewWithOptions.
func New(c client.Client, r *target.Resolver, recommender string, log logr.Logger) *Cluster {
	cluster := &Cluster{
		client: c, resolver: r, recommender: recommender, log: log, changed: make(chan struct{}, 1),
		pods: newPods(), hpas: newHPAs(), limitRanges: newLimitRanges(), ownersSynced: make(chan struct{}),
	}
	cluster.vpas = &vpas{changed: cluster.signal}
	return cluster
}

// VPAs returns all VPAs of this recommender and this replica, sorted by namespace and name. They belong to the
// cluster: read only.
func (c *Cluster) VPAs(context.Context) ([]*vpav1.VerticalPodAutoscaler, error) {
	return c.vpas.chosen(c.ours), nil
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

// WriteStatus makes status the VPA's and returns the VPA as it is then.
func (c *Cluster) WriteStatus(ctx context.Context, vpa *vpav1.VerticalPodAutoscaler, status vpav1.VerticalPodAutoscalerStatus) (*vpav1.VerticalPodAutoscaler, error) {
	changed := vpa.DeepCopy()
	changed.Status = status
	if err := c.client.Status().Patch(ctx, changed, client.MergeFrom(vpa)); err != nil {
		return nil, fmt.Errorf("writing the status of VPA %s/%s: %w", vpa.Namespace, vpa.Name, err)
	}
	return changed, nil
}

// Changed gets a value after VPAs were created, changed in their spec or annotations, or deleted.
func (c *Cluster) Changed() <-chan struct{} { return c.changed }

func (c *Cluster) signal() {
	select {
	case c.changed <- struct{}{}:
	default: // one is waiting already
	}
}
