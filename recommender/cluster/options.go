package cluster

import (
	"slices"

	"github.com/go-logr/logr"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
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

// Cache returns the options of the manager's cache, which holds the metadata of owners only.
func (o Options) Cache() cache.Options {
	options := cache.Options{DefaultTransform: target.Transform}
	if o.Namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{o.Namespace: {}}
	}
	return options
}

// sees reports whether objects of that namespace are looked at.
func (o *Options) sees(namespace string) bool {
	return (o.Namespace == "" || o.Namespace == namespace) && !slices.Contains(o.Ignored, namespace)
}

// NewWithOptions returns a Cluster that reads and writes by mgr, whose cache must have o.Cache(), and
// whose runnable it becomes. r must read from that cache.
func NewWithOptions(mgr manager.Manager, r *target.Resolver, o Options, log logr.Logger) (*Cluster, error) {
	from := listers{config: mgr.GetConfig(), http: mgr.GetHTTPClient(), scheme: mgr.GetScheme(), namespace: o.Namespace}
	lists, err := from.all()
	if err != nil {
		return nil, err
	}
	c := New(mgr.GetClient(), r, o.Recommender, log)
	c.options = o
	c.reader, c.informers = mgr.GetAPIReader(), mgr.GetCache()
	c.recorder = mgr.GetEventRecorder(component)
	c.mirror(lists)
	return c, mgr.Add(c)
}
