package cluster

import "weak"

// pool makes equal values one pointer, by a key that equal values have in common. It holds none of
// them: a value lives as long as anybody else points to it. It is for one goroutine at a time.
type pool[V any] struct {
	values map[string]weak.Pointer[V]
	// full is at how many values those that are gone are swept out: twice as many as were alive at the
	// last time, so that sweeping costs next to nothing.
	full int
}

// minFull keeps small pools from being swept all the time.
const minFull = 64

// get returns the value of key, which makes it if there is none.
func (p *pool[V]) get(key []byte, makes func() V) *V {
	if known, ok := p.values[string(key)]; ok {
		if value := known.Value(); value != nil {
			return value
		}
	}
	if len(p.values) >= p.full {
		p.sweep()
	}
	value := new(V)
	*value = makes()
	p.values[string(key)] = weak.Make(value)
	return value
}

func (p *pool[V]) sweep() {
	if p.values == nil {
		p.values = map[string]weak.Pointer[V]{}
	}
	for key, value := range p.values {
		if value.Value() == nil {
			delete(p.values, key)
		}
	}
	p.full = max(2*len(p.values), minFull)
}
