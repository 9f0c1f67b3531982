package cluster

import (
	"fmt"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mirror is what holds all objects of one kind, cut down to Ts, as the API server has them.
type mirror[T client.Object] interface {
	// set takes in an object that is new or has changed.
	set(T)
	// drop takes out an object that is gone.
	drop(T)
	// replace makes these all that there are.
	replace([]T)
}

// feed fills a mirror by a reflector, which sees a store in it. Objects, which come as Os, are cut as
// soon as they are decoded, so that not even a first list is held whole.
type feed[O, T client.Object] struct {
	cut  func(O) T
	into mirror[T]

	once   sync.Once
	filled chan struct{}
	// replaced, if there is one, is called after each Replace.
	replaced func()
}

func newFeed[O, T client.Object](cut func(O) T, into mirror[T]) *feed[O, T] {
	return &feed[O, T]{cut: cut, into: into, filled: make(chan struct{})}
}

// Add implements toolscache.ReflectorStore.
func (f *feed[O, T]) Add(object any) error {
	t, err := f.one(object)
	if err == nil {
		f.into.set(t)
	}
	return err
}

// Update implements toolscache.ReflectorStore.
func (f *feed[O, T]) Update(object any) error { return f.Add(object) }

// Delete implements toolscache.ReflectorStore.
func (f *feed[O, T]) Delete(object any) error {
	t, err := f.one(object)
	if err == nil {
		f.into.drop(t)
	}
	return err
}

// Replace implements toolscache.ReflectorStore. The first one closes filled.
func (f *feed[O, T]) Replace(objects []any, _ string) error {
	all := make([]T, 0, len(objects))
	for _, object := range objects {
		t, err := f.one(object)
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	f.into.replace(all)
	f.once.Do(func() { close(f.filled) })
	if f.replaced != nil {
		f.replaced()
	}
	return nil
}

// Resync implements toolscache.ReflectorStore. There is nothing that a resync would do.
func (f *feed[O, T]) Resync() error { return nil }

// Transformer implements toolscache.TransformingStore.
func (f *feed[O, T]) Transformer() toolscache.TransformFunc {
	return func(object any) (any, error) { return f.one(object) }
}

// one returns an object as it is or after it was cut. Where O and T are one type, cutting twice does
// what cutting once does.
func (f *feed[O, T]) one(object any) (T, error) {
	switch o := object.(type) {
	case O:
		return f.cut(o), nil
	case T:
		return o, nil
	}
	var want T
	return want, fmt.Errorf("a %T came where a %T was to come", object, want)
}
