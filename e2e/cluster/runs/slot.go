package runs

import (
	"fmt"
	"hash/fnv"
	"net"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

// The ports of slot n are firstPort+n*slotPorts and the slotPorts-1 after it. All lie below 32768,
// where Linux by default begins to hand out ports to outgoing connections: a port free now stays free.
const (
	firstPort = 20000
	slotPorts = 64
	slots     = (32768 - firstPort) / slotPorts
)

// Slot is a range of loopback ports that no other cluster of this cache uses while it is held.
type Slot struct {
	first int
	lock  *cache.Lock

	mu    sync.Mutex
	next  int            // offset of the next port to try
	ports map[string]int // given out, by name
}

// Reserve takes a free slot.
func Reserve() (*Slot, error) {
	dir, err := cache.Sub("slots")
	if err != nil {
		return nil, err
	}
	// Another user's clusters hold locks in another cache; beginning elsewhere in the range keeps
	// the two from trying the same ports at the same moment.
	start := startAt(dir)
	for i := range slots {
		n := (start + i) % slots
		lock, ok, err := cache.TryLock(filepath.Join(dir, strconv.Itoa(n)))
		if err != nil {
			return nil, err
		}
		if ok {
			return &Slot{first: firstPort + n*slotPorts, lock: lock, ports: map[string]int{}}, nil
		}
	}
	return nil, fmt.Errorf("all %d port ranges are taken by running clusters (see %s): stop some", slots, dir)
}

// Port is the slot's loopback port of that name: the same name gives the same port, and another
// name another. A port is only given out after it could be bound.
func (s *Slot) Port(name string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if port, ok := s.ports[name]; ok {
		return port, nil
	}
	for s.next < slotPorts {
		port := s.first + s.next
		s.next++
		if bindable(port) {
			s.ports[name] = port
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port left for %q in %d-%d: %d are given out by name, other programs have the rest",
		name, s.first, s.first+slotPorts-1, len(s.ports))
}

// Free gives the slot up.
func (s *Slot) Free() { s.lock.Free() }

// bindable is whether a server could listen at port on loopback now.
func bindable(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return err == nil && l.Close() == nil
}

// startAt spreads caches over the slots.
func startAt(dir string) int {
	h := fnv.New32a()
	h.Write([]byte(dir))
	return int(h.Sum32() % slots)
}
