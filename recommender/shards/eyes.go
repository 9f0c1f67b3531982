package shards

import (
	"cmp"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// forgotten is how many durations after its end a presence is deleted. Its replica is gone, or makes a new one.
const forgotten = 10

// eyes remember the leases and when each changed last, by this replica's clock. The times that are written in leases are of
// other clocks, and nothing is decided by them.
type eyes struct {
	o      Options
	sights map[string]*sight
	// looked is when all leases were seen last; at first, when looking began.
	looked time.Time
}

// sight is of one lease.
type sight struct {
	lease *coordinationv1.Lease
	// changed is when its change was seen, which is not before it was written; its term counts from there.
	changed time.Time
	// since is from when on it was seen held without a gap.
	since time.Time
	// gone is set when the lease is no more. Whoever held it may not know, so its term counts all the same.
	gone bool
}

// end is when the lease may be taken if nothing is heard of its holder. Without a term in it ours holds.
func (s *sight) end(o Options) time.Time {
	term := o.LeaseDuration
	if seconds := s.lease.Spec.LeaseDurationSeconds; seconds != nil && *seconds > 0 {
		term = time.Duration(*seconds) * time.Second
	}
	return s.changed.Add(term)
}

// holder returns who holds the lease; empty if it may be taken.
func (e *eyes) holder(name string, now time.Time) string {
	s := e.sights[name]
	if s == nil || !now.Before(s.end(e.o)) {
		return ""
	}
	return holder(s.lease)
}

// led is true if one leader works on all VPAs: it holds the lease that is not a shard's, or did a moment ago, so that
// another such one shall have it first.
func (e *eyes) led(now time.Time) bool {
	s := e.sights[e.o.Name]
	return e.o.Count > 1 && s != nil && now.Before(s.end(e.o).Add(2*e.o.RetryPeriod))
}

// lease returns the lease as last seen; nil if it is not there.
func (e *eyes) lease(name string) *coordinationv1.Lease {
	if s := e.sights[name]; s != nil && !s.gone {
		return s.lease
	}
	return nil
}

// look takes in all leases that there are at now. After a time without sight every term begins
// anew: what kept us from seeing may have kept others from renewing, and who is alive shall be able to show it first.
func (e *eyes) look(leases map[string]*coordinationv1.Lease, now time.Time) {
	blind := e.blind(now)
	e.looked = now
	for name, lease := range leases {
		if e.concerns(name) {
			e.see(lease, now, blind)
		}
	}
	for name, s := range e.sights {
		switch {
		case leases[name] != nil:
		case holder(s.lease) == "" || strings.HasPrefix(name, e.o.Name+presenceInfix):
			delete(e.sights, name)
		case !s.gone || blind:
			s.gone, s.changed = true, now
		}
	}
}

// blind is true if the leases have not been seen for so long that others may have taken them.
func (e *eyes) blind(now time.Time) bool { return now.Sub(e.looked) > e.o.RenewDeadline }

// see takes in one lease.
func (e *eyes) see(lease *coordinationv1.Lease, now time.Time, blind bool) {
	s := e.sights[lease.Name]
	if s == nil {
		e.sights[lease.Name] = &sight{lease: lease, changed: now, since: now}
		return
	}
	if blind || s.gone || !equality.Semantic.DeepEqual(s.lease.Spec, lease.Spec) {
		if holder(lease) != holder(s.lease) || !now.Before(s.end(e.o)) {
			s.since = now
		}
		s.changed = now
	}
	s.lease, s.gone = lease, false
}

// concerns is true for shards' leases, presences, and the lease of one leader of all.
func (e *eyes) concerns(name string) bool {
	return name == e.o.Name || strings.HasPrefix(name, e.o.Name+presenceInfix) ||
		strings.HasPrefix(name, e.o.Name+shardInfix)
}

// firstEnd returns when the first of the held leases runs out after now.
func (e *eyes) firstEnd(now time.Time) (first time.Time, ok bool) {
	for _, s := range e.sights {
		if end := s.end(e.o); holder(s.lease) != "" && end.After(now) && (!ok || end.Before(first)) {
			first, ok = end, true
		}
	}
	return first, ok
}

// presences returns those that are what they seem: named after their holders.
func (e *eyes) presences() []*sight {
	var all []*sight
	for name, s := range e.sights {
		if h := holder(s.lease); h != "" && name == e.o.presenceName(h) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *sight) int {
		return cmp.Or(a.lease.CreationTimestamp.Compare(b.lease.CreationTimestamp.Time), cmp.Compare(a.lease.Name, b.lease.Name))
	})
	return all
}

// replicas returns those that are present, the one that is there for longest first. The API server's clock says which that is.
func (e *eyes) replicas(now time.Time) []replica {
	if e.o.Count == 1 {
		return []replica{{identity: e.o.Identity, count: 1}}
	}
	var present []replica
	for _, s := range e.presences() {
		if count := countOf(s.lease); count > 0 && now.Before(s.end(e.o)) {
			present = append(present, replica{identity: holder(s.lease), count: count, since: s.since})
		}
	}
	return present
}

// contested is true if a replica that splits the VPAs in another way may be at work: it holds a shard, or it is new, and
// may take one before it sees who else is there.
func (e *eyes) contested(replicas []replica, now time.Time) bool {
	for _, r := range replicas {
		if r.count == e.o.Count {
			continue
		}
		if now.Before(r.since.Add(e.o.LeaseDuration)) {
			return true
		}
		for name := range e.sights {
			if strings.HasPrefix(name, e.o.Name+shardInfix) && e.holder(name, now) == r.identity {
				return true
			}
		}
	}
	return false
}

// litter returns a presence whose replica is gone for long; nil if there is none.
func (e *eyes) litter(now time.Time) *coordinationv1.Lease {
	for _, s := range e.presences() {
		if !now.Before(s.end(e.o).Add(forgotten * e.o.LeaseDuration)) {
			return s.lease
		}
	}
	return nil
}
