package cluster

import (
	"runtime"
	"sync"
	"weak"
)

// pool makes equal values one pointer, by a key that equal values have in common. It holds none of
// them: a value lives as long as anybody else points to it.
type pool[V any] struct {
	mu     sync.Mutex
	values map[string]weak.Pointer[V]
}

// get returns the value of key, which makes it if there is none.
func (p *pool[V]) get(key []byte, makes func() V) *V {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.values[string(key)]; ok {
		if value := known.Value(); value != nil {
			return value
		}
	}
	value := new(V)
	*value = makes()
	if p.values == nil {
		p.values = map[string]weak.Pointer[V]{}
	}
	kept := string(key)
	p.values[kept] = weak.Make(value)
	runtime.AddCleanup(value, p.forget, kept)
	return value
}

// forget drops key, unless a new value has taken its place.
func (p *pool[V]) forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.values[key]; ok && known.Value() == nil {
		delete(p.values, key)
	}
}
