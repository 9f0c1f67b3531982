package aggregate

import (
	"maps"
	"slices"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Workload is all that was learnt under one VPA: an Aggregate per container name, and a running window
// per pod's container. It is not safe for concurrent use: one goroutine owns it.
type Workload struct {
	options    Options
	aggregates map[string]*Aggregate
	windows    map[usage.Container]*window
}

// NewWorkload returns a Workload that has seen nothing.
func NewWorkload(o Options) *Workload {
	return &Workload{options: o, aggregates: map[string]*Aggregate{}, windows: map[usage.Container]*window{}}
}

// Add folds a sample in and reports whether it counted: a duplicate, one out of order and a negative
// one do not. Samples of one container and resource must come in the order of time.
func (w *Workload) Add(s usage.Sample) bool {
	a := w.aggregates[s.Container.Name]
	if a == nil {
		a = New(w.options)
		w.aggregates[s.Container.Name] = a
	}
	win := w.windows[s.Container]
	if win == nil {
		win = &window{}
		w.windows[s.Container] = win
	}
	if s.Resource == usage.CPU {
		return win.addCPU(a, s.Amount, s.Time)
	}
	return win.addMemory(a, w.options.MemoryInterval, s.Amount, s.Time)
}

// AddHistory folds in what was read of the past, which must end where w's own samples begin: nothing is
// counted twice. Memory intervals that run across that point are joined. History is used up by it.
func (w *Workload) AddHistory(history *Workload) {
	for name, past := range history.aggregates {
		if a := w.aggregates[name]; a != nil {
			a.merge(past)
			continue
		}
		w.aggregates[name] = past
	}
	for container, past := range history.windows {
		if win := w.windows[container]; win != nil {
			win.join(w.aggregates[container.Name], past, w.options.MemoryInterval)
			continue
		}
		w.windows[container] = past
	}
}

// Aggregate returns that of the named container, nil if it was never seen.
func (w *Workload) Aggregate(container string) *Aggregate { return w.aggregates[container] }

// Containers returns the names of all containers that were seen, sorted.
func (w *Workload) Containers() []string { return slices.Sorted(maps.Keys(w.aggregates)) }

// Retain forgets the windows of containers that are gone; what they used stays.
func (w *Workload) Retain(alive func(usage.Container) bool) {
	maps.DeleteFunc(w.windows, func(c usage.Container, _ *window) bool { return !alive(c) })
}
