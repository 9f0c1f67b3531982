package aggregate

import (
	"time"
	"unique"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Workload is all that was learnt under one VPA: an Aggregate per container name, and a running window
// per pod's container. It is not safe for concurrent use: one goroutine owns it.
//
// It is packed: pods and containers are sorted, and there is a window for each of each, the pods' containers in a row.
//
//	            app     proxy
//	shop-5x2    window  window
//	shop-8kq    window  -
//	shop-w4z    window  window
type Workload struct {
	// options are kept once for all workloads that have the same.
	options    unique.Handle[Options]
	containers []*container
	pods       []string
	windows    []window
	// rules are those of the containers for which the options' do not hold; nil if there are none.
	rules map[string]Rules
	// cursor is the pod that was found last: samples of one pod come together, and pods in the same order each time.
	cursor int
}

// container is what is known of one container name.
type container struct {
	Aggregate
	name string
}

// NewWorkload returns a Workload that has seen nothing.
func NewWorkload(o Options) *Workload { return &Workload{options: unique.Make(o)} }

// SetRules makes r what holds for a container from now on. A running interval ends when it would have ended.
func (w *Workload) SetRules(container string, r Rules) {
	switch {
	case r == w.options.Value().Rules:
		delete(w.rules, container)
	case w.rules == nil:
		w.rules = map[string]Rules{container: r}
	default:
		w.rules[container] = r
	}
}

// Add folds a sample in and reports whether it counted: a duplicate, one out of order, a negative one and one that is not
// from 1970 to 2262 do not. Samples of one container and resource must come in the order of time. The names in s are kept.
func (w *Workload) Add(s usage.Sample) bool {
	t, ok := instantOf(s.Time)
	if !ok || s.Amount < 0 {
		return false
	}
	c, win := w.at(s.Container)
	counted := false
	if s.Resource == usage.CPU {
		counted = win.addCPU(&c.Aggregate, s.Amount, t)
	} else {
		counted = win.addMemory(&c.Aggregate, w.rulesOf(c.name).MemoryInterval, s.Amount, t)
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
	c, win := w.at(killed)
	needed, counted := win.addOOM(&c.Aggregate, w.rulesOf(c.name), request, t)
	c.changed = c.changed || counted
	return needed, counted
}

// Aggregate returns that of the named container, nil if it was never seen.
func (w *Workload) Aggregate(container string) *Aggregate {
	if c := w.find(container); c != nil {
		return &c.Aggregate
	}
	return nil
}

// Len is how many containers were seen.
func (w *Workload) Len() int { return len(w.containers) }

// Containers returns the names of all containers that were seen, sorted.
func (w *Workload) Containers() []string {
	names := make([]string, len(w.containers))
	for i, c := range w.containers {
		names[i] = c.name
	}
	return names
}

// Changed reports whether anything was added to a container since MarkSaved, or since it was loaded.
func (w *Workload) Changed(container string) bool {
	c := w.find(container)
	return c != nil && c.changed
}

// MarkSaved says that a checkpoint of the container was stored.
func (w *Workload) MarkSaved(container string) {
	if c := w.find(container); c != nil {
		c.changed = false
	}
}

func (w *Workload) rulesOf(container string) Rules {
	if r, ok := w.rules[container]; ok {
		return r
	}
	return w.options.Value().Rules
}
