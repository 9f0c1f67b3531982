package webhook

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/mirror"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// Control is a VPA that patches the pods of its target: all that it says of them, ready to be applied. It is made when
// the VPA changes, and never changed: whoever has it has all of one state. It is read only.
type Control struct {
	// Name is the VPA's.
	Name  string
	Rules *policy.Rules
	// Others tells of the VPAs that name the same target, and that this one, being older, keeps from doing anything;
	// empty if it is alone.
	Others string

	vpa *vpav1.VerticalPodAutoscaler
	// selection is which of the target's pods it patches; nil for all.
	selection *target.Selection
}

// Selects reports whether it patches a pod of its target that has these labels: as upstream, where the target's selector
// matches. What cannot be known matches.
func (c *Control) Selects(ctx context.Context, pod labels.Labels) bool {
	return c.selection == nil || c.selection.Selects(ctx, pod)
}

// Index knows, for every target, the VPA that controls its pods. It is fed by a mirror and decides when a VPA changes, so
// that a review costs one look-up however many VPAs there are.
type Index struct {
	// Selectors knows which pods a target selects; nil stands for all that it controls. It is set before the Index is filled.
	Selectors *target.Selectors

	log     logr.Logger
	cluster policy.Cluster

	mu      sync.RWMutex
	targets map[target.Controller]*contenders
	home    map[types.NamespacedName]filed
}

// filed is where a VPA is.
type filed struct {
	target target.Controller
	vpa    *vpav1.VerticalPodAutoscaler
}

// contenders are the VPAs on one target that may patch its pods; never none.
type contenders struct {
	// vpas come in the order in which they control: the first one does.
	vpas      []*vpav1.VerticalPodAutoscaler
	selection *target.Selection
	control   *Control
}

var _ VPAs = (*Index)(nil)

// NewIndex returns an empty Index for a cluster whose operator says this. VPAs without a usable targetRef are logged and
// left out.
func NewIndex(cluster policy.Cluster, log logr.Logger) *Index {
	x := &Index{log: log, cluster: cluster}
	x.clear()
	return x
}

// Into is what a mirror of VPAs fills.
func (x *Index) Into() mirror.Into[*vpav1.VerticalPodAutoscaler] {
	return mirror.Into[*vpav1.VerticalPodAutoscaler]{Set: x.set, Drop: x.drop, Replace: x.replace}
}

// Controlling implements VPAs.
func (x *Index) Controlling(c target.Controller) *Control {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if found, ok := x.targets[c]; ok {
		return found.control
	}
	return nil
}

func (x *Index) set(vpa *vpav1.VerticalPodAutoscaler) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.put(vpa)
}

func (x *Index) drop(vpa *vpav1.VerticalPodAutoscaler) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(keyOf(vpa), target.Controller{})
}

func (x *Index) replace(all []*vpav1.VerticalPodAutoscaler) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before := x.targets
	x.clear()
	for _, vpa := range all {
		x.put(vpa)
	}
	for c := range before {
		if _, ok := x.targets[c]; !ok {
			x.forget(c)
		}
	}
}

func (x *Index) clear() {
	x.targets, x.home = map[target.Controller]*contenders{}, map[types.NamespacedName]filed{}
}

func keyOf(vpa *vpav1.VerticalPodAutoscaler) types.NamespacedName {
	return types.NamespacedName{Namespace: vpa.Namespace, Name: vpa.Name}
}

// put files a VPA under its target; nowhere if it does not patch pods. The caller holds the lock.
func (x *Index) put(vpa *vpav1.VerticalPodAutoscaler) {
	key := keyOf(vpa)
	to, err := target.Of(vpa)
	if err != nil {
		x.log.V(1).Info("a VPA has no usable target", "vpa", key.String(), "problem", err.Error())
	}
	if err != nil || !x.patches(vpa) {
		x.remove(key, target.Controller{})
		return
	}
	x.remove(key, to)
	x.home[key] = filed{to, vpa}
	found, ok := x.targets[to]
	if !ok {
		found = &contenders{}
		if x.Selectors != nil {
			found.selection = x.Selectors.Of(to)
		}
		x.targets[to] = found
	}
	at, _ := slices.BinarySearchFunc(found.vpas, vpa, target.Compare)
	found.vpas = slices.Insert(found.vpas, at, vpa)
	x.elect(found)
}

// patches reports whether a VPA does anything to pods. As upstream, one in mode Off does not stand in the way of a younger
// one, unless it gives pods more CPU while they start.
func (x *Index) patches(vpa *vpav1.VerticalPodAutoscaler) bool {
	return target.UpdateMode(vpa) != vpav1.UpdateModeOff || x.cluster.StartupBoost && boosts(vpa)
}

func boosts(vpa *vpav1.VerticalPodAutoscaler) bool {
	if vpa.Spec.StartupBoost != nil {
		return true
	}
	return vpa.Spec.ResourcePolicy != nil && slices.ContainsFunc(vpa.Spec.ResourcePolicy.ContainerPolicies, func(p vpav1.ContainerResourcePolicy) bool {
		return p.StartupBoost != nil
	})
}

// remove takes a VPA out, if it is there. Nobody is elected in its place on the target that it is going to be filed under
// again. The caller holds the lock.
func (x *Index) remove(key types.NamespacedName, again target.Controller) {
	old, ok := x.home[key]
	if !ok {
		return
	}
	delete(x.home, key)
	found := x.targets[old.target]
	at, _ := slices.BinarySearchFunc(found.vpas, old.vpa, target.Compare)
	found.vpas = slices.Delete(found.vpas, at, at+1)
	switch {
	case old.target == again:
	case len(found.vpas) == 0:
		delete(x.targets, old.target)
		x.forget(old.target)
	default:
		x.elect(found)
	}
}

// forget ends the keeping of what a target selects, which nobody names any more.
func (x *Index) forget(c target.Controller) {
	if x.Selectors != nil {
		x.Selectors.Forget(c)
	}
}

// elect makes the first of the contenders control.
func (x *Index) elect(c *contenders) {
	first := c.vpas[0]
	control := &Control{Name: first.Name, Others: others(c.vpas), vpa: first, selection: c.selection}
	if c.control != nil && c.control.vpa == first {
		control.Rules = c.control.Rules
	} else {
		control.Rules = x.rules(first)
	}
	c.control = control
}

// rules compiles a VPA. One that we cannot cope with, for a defect of ours, decides nothing and stops no other.
func (x *Index) rules(vpa *vpav1.VerticalPodAutoscaler) (rules *policy.Rules) {
	defer func() {
		if cause := recover(); cause != nil {
			x.log.Error(fmt.Errorf("panic: %v", cause), "a VPA is left without effect", "vpa", keyOf(vpa).String(), "stack", string(debug.Stack()))
			rules = &policy.Rules{}
		}
	}()
	return policy.RulesOf(vpa, vpa.Status.Recommendation, x.cluster)
}

// maxNamed is how many of the VPAs that do nothing are named.
const maxNamed = 3

func others(vpas []*vpav1.VerticalPodAutoscaler) string {
	if len(vpas) == 1 {
		return ""
	}
	var names []string
	for _, vpa := range vpas[1:min(len(vpas), 1+maxNamed)] {
		names = append(names, vpa.Name)
	}
	text := strings.Join(names, ", ")
	if more := len(vpas) - 1 - len(names); more > 0 {
		text = fmt.Sprintf("%s and %d more", text, more)
	}
	return fmt.Sprintf("it is the oldest on this target; without effect: %s", text)
}
