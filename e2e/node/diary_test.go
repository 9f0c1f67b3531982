package node

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// diary is what happened to the pods of a namespace since it was begun.
type diary struct {
	mu   sync.Mutex
	apps map[string]*page
}

// page is what happened to one app's pods.
type page struct {
	pods map[types.UID]*corev1.Pod // as they were last seen, gone or not
	gone map[types.UID]bool
	// told is when a pod was told to end, in whole seconds.
	told map[types.UID]time.Time
	// happened are "created" and "evicted", in their order.
	happened []string
	// least is how few pods were ready and not on their way out.
	least int
}

// write begins a diary, which ends with the test.
func (s *scene) write(t *testing.T) *diary {
	d := &diary{apps: map[string]*page{}}
	factory := informers.NewSharedInformerFactoryWithOptions(s.kube, 0, informers.WithNamespace(s.namespace))
	pods := factory.Core().V1().Pods().Informer()
	handled, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(pod any) { d.saw(pod, false) },
		UpdateFunc: func(_, pod any) { d.saw(pod, false) },
		DeleteFunc: func(pod any) { d.saw(pod, true) },
	})
	require.NoError(t, err)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); factory.Shutdown() })
	factory.Start(stop)
	require.True(t, cache.WaitForCacheSync(stop, handled.HasSynced))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.apps {
		p.happened, p.least = nil, p.available() // of what was there before
	}
	return d
}

func (d *diary) saw(object any, gone bool) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod := object.(*corev1.Pod)
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.apps[pod.Labels["app"]]
	if p == nil {
		p = &page{pods: map[types.UID]*corev1.Pod{}, gone: map[types.UID]bool{}, told: map[types.UID]time.Time{}}
		d.apps[pod.Labels["app"]] = p
	}
	before := p.pods[pod.UID]
	p.pods[pod.UID], p.gone[pod.UID] = pod, gone
	if _, known := p.told[pod.UID]; !known && pod.DeletionTimestamp != nil {
		// At the end the kubelet takes what is left of the grace, so that only the first look tells.
		p.told[pod.UID] = pod.DeletionTimestamp.Add(-time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second)
	}
	if before == nil {
		p.happened = append(p.happened, "created")
	}
	if evicted(pod) && (before == nil || !evicted(before)) {
		p.happened = append(p.happened, "evicted")
	}
	p.least = min(p.least, p.available())
}

// available is how many pods are ready and stay.
func (p *page) available() int {
	n := 0
	for uid, pod := range p.pods {
		if ready, _ := conditionOf(pod, corev1.PodReady); ready && !p.gone[uid] && pod.DeletionTimestamp == nil {
			n++
		}
	}
	return n
}

// evicted reports whether the Eviction API ended the pod.
func evicted(pod *corev1.Pod) bool {
	is, reason := conditionOf(pod, corev1.DisruptionTarget)
	return is && reason == "EvictionByEvictionAPI"
}

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) (is bool, reason string) {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue, c.Reason
		}
	}
	return false, ""
}

// of is what happened to an app's pods so far.
func (d *diary) of(app string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.apps[app]; p != nil {
		return slices.Clone(p.happened)
	}
	return nil
}

// least is how few pods of an app were there for whoever needs them.
func (d *diary) least(app string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.apps[app].least
}

// end is the end of a pod.
type end struct {
	pod  *corev1.Pod // as it was last
	told time.Time
}

// ends are those of an app's pods that are gone.
func (d *diary) ends(app string) []end {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.apps[app]
	var all []end
	for _, uid := range slices.Sorted(maps.Keys(p.pods)) {
		if p.gone[uid] {
			all = append(all, end{p.pods[uid], p.told[uid]})
		}
	}
	return all
}
