package aggregate

import (
	"slices"
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Workload is all that was learnt under one VPA: an Aggregate per container name, and a running window
// per pod's container. It is not safe for concurrent use: one goroutine owns it.
//
// It is packed: pods are a sorted list of names, and each container has its windows in the same order.
//
//	pods                shop-5x2  shop-8kq  shop-w4z
//	containers  app     window    window    window
//	            proxy   window    window    -
type Workload struct {
	options    Options
	namespace  string
	containers []*containerState
	pods       []string
	// cursor is the pod that was found last: samples of one pod come together, and pods in the same order each time.
	cursor int
}

// containerState is what is known of one container name.
type containerState struct {
	Aggregate
	name string
	// rules are nil where the Workload's options hold.
	rules *Rules
	// windows are those of the Workload's pods, by index. The list may be shorter.
	windows []window
}

// NewWorkload returns a Workload that has seen nothing.
func NewWorkload(o Options) *Workload { return &Workload{options: o} }

// SetRules makes r what holds for a container from now on. A running interval ends when it would have ended.
func (w *Workload) SetRules(container string, r Rules) {
	c := w.container(container)
	switch {
	case r != w.options.Rules:
		w.create(container).rules = &r
	case c != nil:
		c.rules = nil
	}
}

// Add folds a sample in and reports whether it counted: a duplicate, one out of order, a negative one and one that is not
// from 1970 to 2262 do not. Samples of one container and resource must come in the order of time. The names in s are kept.
func (w *Workload) Add(s usage.Sample) bool {
	t, ok := instantOf(s.Time)
	if !ok {
		return false
	}
	c, win := w.window(s.Container)
	counted := false
	if s.Resource == usage.CPU {
		counted = win.addCPU(&c.Aggregate, s.Amount, t)
	} else {
		counted = win.addMemory(&c.Aggregate, w.rulesOf(c).MemoryInterval, s.Amount, t)
	}
	c.changed = c.changed || counted
	return counted
}

// AddOOM takes note that a container with the given memory request was killed for want of memory: it counts as a memory
// sample of what it would have needed, which is returned. False if the kill is too old to count.
func (w *Workload) AddOOM(killed usage.Container, request usage.Amount, at time.Time) (usage.Amount, bool) {
	t, ok := instantOf(at)
	if !ok {
		return 0, false
	}
	c, win := w.window(killed)
	needed, counted := win.addOOM(&c.Aggregate, w.rulesOf(c), request, t)
	c.changed = c.changed || counted
	return needed, counted
}

// AddHistory folds in what was read of the past, which must end where w's own samples begin: nothing is
// counted twice. Memory intervals that run across that point are joined. History is used up by it.
func (w *Workload) AddHistory(history *Workload) {
	if w.namespace == "" {
		w.namespace = history.namespace
	}
	for _, past := range history.containers {
		c := w.create(past.name)
		c.merge(&past.Aggregate)
		c.changed = true
		for i := range past.windows {
			if past.windows[i] == (window{}) {
				continue
			}
			w.at(c, w.pod(history.pods[i])).join(&c.Aggregate, &past.windows[i], w.rulesOf(c).MemoryInterval)
		}
	}
}

// Aggregate returns that of the named container, nil if it was never seen.
func (w *Workload) Aggregate(container string) *Aggregate {
	if c := w.container(container); c != nil {
		return &c.Aggregate
	}
	return nil
}

// Containers returns the names of all containers that were seen, sorted.
func (w *Workload) Containers() []string {
	names := make([]string, len(w.containers))
	for i, c := range w.containers {
		names[i] = c.name
	}
	return names
}

// Retain forgets the windows of containers that are gone; what they used stays.
func (w *Workload) Retain(alive func(usage.Container) bool) {
	for _, pod := range slices.Clone(w.pods) {
		i := w.pod(pod)
		gone := true
		for _, c := range w.containers {
			if i < len(c.windows) && !alive(usage.Container{Namespace: w.namespace, Pod: pod, Name: c.name}) {
				c.windows[i] = window{}
			}
			gone = gone && (i >= len(c.windows) || c.windows[i] == window{})
		}
		if gone {
			w.Forget(pod)
		}
	}
}

// Forget drops the windows of a pod that is gone; what it used stays.
func (w *Workload) Forget(pod string) {
	i, found := slices.BinarySearch(w.pods, pod)
	if !found {
		return
	}
	w.pods = slices.Delete(w.pods, i, i+1)
	for _, c := range w.containers {
		if i < len(c.windows) {
			c.windows = slices.Delete(c.windows, i, i+1)
		}
	}
}

// Drop forgets all about a container name.
func (w *Workload) Drop(container string) {
	w.containers = slices.DeleteFunc(w.containers, func(c *containerState) bool { return c.name == container })
}

// Changed reports whether anything was added to a container since MarkSaved, or since it was loaded.
func (w *Workload) Changed(container string) bool {
	c := w.container(container)
	return c != nil && c.changed
}

// MarkSaved says that a checkpoint of the container was stored.
func (w *Workload) MarkSaved(container string) {
	if c := w.container(container); c != nil {
		c.changed = false
	}
}

func (w *Workload) rulesOf(c *containerState) Rules {
	if c.rules != nil {
		return *c.rules
	}
	return w.options.Rules
}

func (w *Workload) container(name string) *containerState {
	for _, c := range w.containers { // a pod has few
		if c.name == name {
			return c
		}
	}
	return nil
}

// create returns the named container, which is new if there was none.
func (w *Workload) create(name string) *containerState {
	if c := w.container(name); c != nil {
		return c
	}
	i, _ := slices.BinarySearchFunc(w.containers, name, func(c *containerState, name string) int { return strings.Compare(c.name, name) })
	c := &containerState{Aggregate: newAggregate(w.options), name: name}
	w.containers = insert(w.containers, i, c)
	return c
}

// window returns that of a pod's container, and the container.
func (w *Workload) window(name usage.Container) (*containerState, *window) {
	if w.namespace == "" {
		w.namespace = name.Namespace
	}
	c := w.create(name.Name)
	return c, w.at(c, w.pod(name.Pod))
}

// pod returns the index of a pod, which is new if there was none.
func (w *Workload) pod(name string) int {
	for _, i := range [...]int{w.cursor, w.cursor + 1} {
		if i < len(w.pods) && w.pods[i] == name {
			w.cursor = i
			return i
		}
	}
	i, found := slices.BinarySearch(w.pods, name)
	if !found {
		w.pods = insert(w.pods, i, name)
		for _, c := range w.containers {
			if i < len(c.windows) {
				c.windows = insert(c.windows, i, window{})
			}
		}
	}
	w.cursor = i
	return i
}

// at returns a container's window of the pod of the given index.
func (w *Workload) at(c *containerState, pod int) *window {
	for len(c.windows) <= pod {
		c.windows = insert(c.windows, len(c.windows), window{})
	}
	return &c.windows[pod]
}

// insert is slices.Insert that leaves little room to spare: a few pods are the rule, and there are many workloads.
func insert[E any](s []E, i int, v E) []E {
	if len(s) == cap(s) {
		grown := make([]E, len(s), len(s)+1+len(s)/8)
		copy(grown, s)
		s = grown
	}
	return slices.Insert(s, i, v)
}
