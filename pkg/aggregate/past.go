package aggregate

import (
	"maps"
	"slices"
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// AddCPU folds in averages of CPU over one step after another, in millicores; negative where nothing is known. Unlike those
// of Add, they may come in any order, and nothing tells duplicates: it is for the past, which is read piece by piece, each
// once. It returns how many counted.
func (w *Workload) AddCPU(name string, from time.Time, step time.Duration, averages []int32) int {
	var c *container
	counted := 0
	for i, average := range averages {
		if average < 0 {
			continue
		}
		t, ok := instantOf(from.Add(time.Duration(i) * step))
		if !ok {
			continue
		}
		if c == nil {
			c = w.containers[w.create(name)]
		}
		c.addCPU(usage.Amount(average), t)
		counted++
	}
	if counted > 0 {
		c.changed = true
	}
	return counted
}

// AddHistory folds in what was read of the past, which must end where w's own samples begin: nothing is
// counted twice. Memory intervals that run across that point are joined. History is used up by it.
func (w *Workload) AddHistory(history *Workload) {
	for _, past := range history.containers {
		c := w.containers[w.create(past.name)]
		c.merge(&past.Aggregate)
		c.changed = true
	}
	for i := range history.windows {
		if past := &history.windows[i]; *past != (window{}) {
			pod, name := history.pods[i/len(history.containers)], history.containers[i%len(history.containers)].name
			c, win := w.at(usage.Container{Pod: pod, Name: name})
			win.join(&c.Aggregate, past, w.rulesOf(c.name).MemoryInterval)
		}
	}
}

// With returns what is known of a container when past's is added to it; nil if neither has seen it. Memory intervals that
// run across the point where past ends count as two. Both stay as they are.
func (w *Workload) With(past *Workload, container string) *Aggregate {
	own, more := w.Aggregate(container), past.Aggregate(container)
	switch {
	case more == nil:
		return own
	case own == nil:
		return more
	}
	both, other := own.clone(), more.clone()
	both.merge(&other)
	return &both
}

// Clone returns a copy that shares nothing that changes.
func (w *Workload) Clone() *Workload {
	c := &Workload{options: w.options, pods: slices.Clone(w.pods), windows: slices.Clone(w.windows), rules: maps.Clone(w.rules)}
	for _, of := range w.containers {
		c.containers = append(c.containers, &container{Aggregate: of.clone(), name: of.name})
	}
	return c
}

func (a *Aggregate) clone() Aggregate {
	c := *a
	c.CPU, c.MemoryPeaks = a.CPU.Clone(), a.MemoryPeaks.Clone()
	return c
}
