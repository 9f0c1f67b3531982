package webhook

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/mirror"
)

// namespaced knows what the objects of one kind come to in each namespace. It is fed by a mirror, and finds it out when
// one of them changes.
type namespaced[O client.Object, T any] struct {
	// together is what objects of one namespace, by name, come to.
	together func([]O) T

	mu         sync.RWMutex
	namespaces map[string]*namespace[O, T]
}

type namespace[O client.Object, T any] struct {
	byName   map[string]O
	together T
}

func newNamespaced[O client.Object, T any](together func([]O) T) *namespaced[O, T] {
	return &namespaced[O, T]{together: together, namespaces: map[string]*namespace[O, T]{}}
}

// of is what the namespace's objects come to; false if there is none.
func (x *namespaced[O, T]) of(name string) (together T, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	here, ok := x.namespaces[name]
	if ok {
		together = here.together
	}
	return together, ok
}

// Into is what a mirror of the objects fills.
func (x *namespaced[O, T]) Into() mirror.Into[O] {
	return mirror.Into[O]{Set: x.set, Drop: x.drop, Replace: x.replace}
}

func (x *namespaced[O, T]) set(one O) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settle(x.put(one))
}

func (x *namespaced[O, T]) drop(one O) {
	x.mu.Lock()
	defer x.mu.Unlock()
	here, ok := x.namespaces[one.GetNamespace()]
	if !ok {
		return
	}
	if delete(here.byName, one.GetName()); len(here.byName) == 0 {
		delete(x.namespaces, one.GetNamespace())
		return
	}
	x.settle(here)
}

func (x *namespaced[O, T]) replace(all []O) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.namespaces = map[string]*namespace[O, T]{}
	for _, one := range all {
		x.put(one)
	}
	for _, here := range x.namespaces {
		x.settle(here)
	}
}

func (x *namespaced[O, T]) put(one O) *namespace[O, T] {
	here, ok := x.namespaces[one.GetNamespace()]
	if !ok {
		here = &namespace[O, T]{byName: map[string]O{}}
		x.namespaces[one.GetNamespace()] = here
	}
	here.byName[one.GetName()] = one
	return here
}

func (x *namespaced[O, T]) settle(here *namespace[O, T]) {
	here.together = x.together(slices.SortedFunc(maps.Values(here.byName), func(a, b O) int { return cmp.Compare(a.GetName(), b.GetName()) }))
}
