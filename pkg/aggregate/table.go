package aggregate

import (
	"slices"
	"strings"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Here is how a Workload finds, makes and drops its pods, containers and windows.

// at returns the window of a pod's container, and the container; both are new if there were none. The window is valid until
// the next call.
func (w *Workload) at(name usage.Container) (*container, *window) {
	pod, c := w.pod(name.Pod), w.create(name.Name)
	return w.containers[c], &w.windows[pod*len(w.containers)+c]
}

// find returns the named container, nil if it was never seen.
func (w *Workload) find(name string) *container {
	if i := w.index(name); i >= 0 {
		return w.containers[i]
	}
	return nil
}

// index returns the index of the named container, -1 if it was never seen.
func (w *Workload) index(name string) int {
	for i, c := range w.containers { // a pod has few
		if c.name == name {
			return i
		}
	}
	return -1
}

// create returns the index of the named container, which is new if there was none.
func (w *Workload) create(name string) int {
	if i := w.index(name); i >= 0 {
		return i
	}
	i, _ := slices.BinarySearchFunc(w.containers, name, func(c *container, name string) int { return strings.Compare(c.name, name) })
	n := len(w.containers)
	w.containers = insert(w.containers, i, &container{Aggregate: newAggregate(w.options.Value()), name: name})
	windows := make([]window, len(w.pods)*(n+1))
	for pod := range w.pods {
		row := windows[pod*(n+1):]
		copy(row, w.windows[pod*n:pod*n+i])
		copy(row[i+1:], w.windows[pod*n+i:(pod+1)*n])
	}
	w.windows = windows
	return i
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
		n := len(w.containers)
		w.pods = insert(w.pods, i, name)
		w.windows = insert(w.windows, i*n, make([]window, n)...)
	}
	w.cursor = i
	return i
}

// insert is slices.Insert that leaves little room to spare: a few pods are the rule, and there are many workloads.
func insert[E any](s []E, i int, v ...E) []E {
	if len(s)+len(v) > cap(s) {
		grown := make([]E, len(s), len(s)+len(v)+len(s)/8)
		copy(grown, s)
		s = grown
	}
	return slices.Insert(s, i, v...)
}

// Retain forgets the windows of pods that are gone; what they used stays.
func (w *Workload) Retain(alive func(pod string) bool) {
	for _, pod := range slices.Clone(w.pods) {
		if !alive(pod) {
			w.Forget(pod)
		}
	}
}

// Forget drops the windows of a pod that is gone; what it used stays.
func (w *Workload) Forget(pod string) {
	if i, found := slices.BinarySearch(w.pods, pod); found {
		n := len(w.containers)
		w.pods = slices.Delete(w.pods, i, i+1)
		w.windows = slices.Delete(w.windows, i*n, (i+1)*n)
	}
}

// Drop forgets all that was learnt of a container name. Its rules stay.
func (w *Workload) Drop(container string) {
	i := w.index(container)
	if i < 0 {
		return
	}
	n := len(w.containers)
	for pod := len(w.pods) - 1; pod >= 0; pod-- {
		w.windows = slices.Delete(w.windows, pod*n+i, pod*n+i+1)
	}
	w.containers = slices.Delete(w.containers, i, i+1)
}
