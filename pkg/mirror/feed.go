package mirror

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Into is what holds all objects of one kind, cut down to Ts, as the API server has them. Its functions are called by one
// goroutine.
type Into[T client.Object] struct {
	// Set takes in an object that is new or has changed.
	Set func(T)
	// Drop takes out an object that is gone.
	Drop func(T)
	// Replace makes these all that there are.
	Replace func([]T)
}

// Feed fills something by a reflector, which sees a store in it. Objects, which come as Os, are cut as
// soon as they are decoded, so that not even a first list is held whole.
type Feed[O, T client.Object] struct {
	cut  func(O) T
	into Into[T]

	once   sync.Once
	filled chan struct{}
	// heard is when the API server was heard of last, in nanoseconds since 1970; 0 for never.
	heard atomic.Int64
	// replaced, if there is one, is called after each Replace.
	replaced func()
}

// NewFeed returns a Feed of what cut leaves of objects. Cutting may change the object.
func NewFeed[O, T client.Object](cut func(O) T, into Into[T]) *Feed[O, T] {
	return &Feed[O, T]{cut: cut, into: into, filled: make(chan struct{})}
}

// Add implements toolscache.ReflectorStore.
func (f *Feed[O, T]) Add(object any) error {
	t, err := f.one(object)
	if err == nil {
		f.into.Set(t)
		f.hears()
	}
	return err
}

// Update implements toolscache.ReflectorStore.
func (f *Feed[O, T]) Update(object any) error { return f.Add(object) }

// Delete implements toolscache.ReflectorStore.
func (f *Feed[O, T]) Delete(object any) error {
	t, err := f.one(object)
	if err == nil {
		f.into.Drop(t)
		f.hears()
	}
	return err
}

// Replace implements toolscache.ReflectorStore. The first one closes filled.
func (f *Feed[O, T]) Replace(objects []any, _ string) error {
	all := make([]T, 0, len(objects))
	for _, object := range objects {
		t, err := f.one(object)
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	f.into.Replace(all)
	f.hears()
	f.once.Do(func() { close(f.filled) })
	if f.replaced != nil {
		f.replaced()
	}
	return nil
}

// Resync implements toolscache.ReflectorStore. There is nothing that a resync would do.
func (f *Feed[O, T]) Resync() error { return nil }

// Transformer implements toolscache.TransformingStore.
func (f *Feed[O, T]) Transformer() toolscache.TransformFunc {
	return func(object any) (any, error) { return f.one(object) }
}

// UpdateResourceVersion implements toolscache.ResourceVersionUpdater. It comes with each event, and with the bookmarks that
// the API server sends about once a minute where nothing happens.
func (f *Feed[O, T]) UpdateResourceVersion(string) { f.hears() }

func (f *Feed[O, T]) hears() { f.heard.Store(time.Now().UnixNano()) }

// Filled is closed once everything that there was has come.
func (f *Feed[O, T]) Filled() <-chan struct{} { return f.filled }

// one returns an object as it is or after it was cut. Where O and T are one type, cutting twice does
// what cutting once does.
func (f *Feed[O, T]) one(object any) (T, error) {
	switch o := object.(type) {
	case O:
		return f.cut(o), nil
	case T:
		return o, nil
	}
	var want T
	return want, fmt.Errorf("a %T came where a %T was to come", object, want)
}
