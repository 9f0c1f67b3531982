package webhook

import (
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// Index knows, for every target, the VPA that controls its pods. It is fed by an informer and
// decides when a VPA changes, so that a review costs one look-up however many VPAs there are.
type Index struct {
	log logr.Logger

	mu      sync.RWMutex
	targets map[target.Controller]*contenders
	home    map[types.NamespacedName]target.Controller // where each VPA is filed
}

// contenders are the VPAs on one target that may patch its pods; never none.
type contenders struct {
	vpas        map[string]*vpav1.VerticalPodAutoscaler // by name: a target and its VPAs share a namespace
	controlling *vpav1.VerticalPodAutoscaler
}

var _ toolscache.ResourceEventHandler = (*Index)(nil)

// NewIndex returns an empty Index. VPAs without a usable targetRef are logged and left out.
func NewIndex(log logr.Logger) *Index {
	return &Index{log: log, targets: map[target.Controller]*contenders{}, home: map[types.NamespacedName]target.Controller{}}
}

// Controlling returns the VPA that patches the pods of c; nil if there is none. It is shared: read
// only.
func (x *Index) Controlling(c target.Controller) *vpav1.VerticalPodAutoscaler {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if found, ok := x.targets[c]; ok {
		return found.controlling
	}
	return nil
}

// OnAdd implements ResourceEventHandler.
func (x *Index) OnAdd(object any, _ bool) { x.put(object) }

// OnUpdate implements ResourceEventHandler.
func (x *Index) OnUpdate(_, object any) { x.put(object) }

// OnDelete implements ResourceEventHandler.
func (x *Index) OnDelete(object any) {
	if tombstone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	if vpa, ok := object.(*vpav1.VerticalPodAutoscaler); ok {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.remove(types.NamespacedName{Namespace: vpa.Namespace, Name: vpa.Name})
	}
}

// put files a VPA under its target; nowhere if it does not patch pods.
func (x *Index) put(object any) {
	vpa, ok := object.(*vpav1.VerticalPodAutoscaler)
	if !ok {
		return
	}
	controller, err := target.Of(vpa)
	if err != nil {
		x.log.V(1).Info("a VPA has no usable target", "vpa", vpa.Namespace+"/"+vpa.Name, "problem", err.Error())
	}
	key := types.NamespacedName{Namespace: vpa.Namespace, Name: vpa.Name}
	x.mu.Lock()
	defer x.mu.Unlock()
	if old, filed := x.home[key]; filed && old != controller {
		x.remove(key)
	}
	// As upstream: a VPA in mode Off does not stand in the way of a younger one that patches.
	if err != nil || target.UpdateMode(vpa) == vpav1.UpdateModeOff {
		x.remove(key)
		return
	}
	found, ok := x.targets[controller]
	if !ok {
		found = &contenders{vpas: map[string]*vpav1.VerticalPodAutoscaler{}}
		x.targets[controller] = found
	}
	found.vpas[vpa.Name] = vpa
	x.home[key] = controller
	found.elect()
}

// remove takes a VPA out, if it is there. The caller holds the lock.
func (x *Index) remove(key types.NamespacedName) {
	controller, filed := x.home[key]
	if !filed {
		return
	}
	delete(x.home, key)
	found := x.targets[controller]
	delete(found.vpas, key.Name)
	if len(found.vpas) == 0 {
		delete(x.targets, controller)
		return
	}
	found.elect()
}

func (c *contenders) elect() {
	all := make([]*vpav1.VerticalPodAutoscaler, 0, len(c.vpas))
	for _, vpa := range c.vpas {
		all = append(all, vpa)
	}
	c.controlling = target.Controlling(all)
}
