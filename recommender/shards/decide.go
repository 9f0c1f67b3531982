package shards

import (
	"cmp"
	"slices"
	"time"
)

// view is what a replica sees of all, and decides by.
type view struct {
	me    string
	count int
	now   time.Time
	// settle is how long a replica has to be there before it is given others' shards.
	settle time.Duration
	shards []standing
	// replicas are those that are present, the one that is there for longest first.
	replicas []replica
	// led is set if one leader works on all VPAs: it holds the lease that is not a shard's.
	led bool
	// contested is set if another split of the VPAs may be at work; nothing is taken until that has ended.
	contested bool
	// yielding is the shard that is being given up; -1 if there is none.
	yielding int
}

// standing is how it stands with one shard.
type standing struct {
	// holder is empty if the shard may be taken.
	holder string
	// owned is set if it is this replica's, by its own clock, too.
	owned bool
}

// replica is one that is present.
type replica struct {
	identity string
	count    int
	// since is since when it is seen without a gap.
	since time.Time
}

// plan is what a replica does next.
type plan struct {
	take, release []int
	// yield is the shard to give up; -1 for none.
	yield int
}

// members are the replicas that share the shards: those that agree on how many there are with the one that is there for longest.
func (v view) members() []string {
	if v.led || len(v.replicas) == 0 {
		return nil
	}
	var members []string
	for _, r := range v.replicas {
		if r.count == v.replicas[0].count {
			members = append(members, r.identity)
		}
	}
	return members
}

// rivals is true if the VPAs are split in another way by those who were there before.
func (v view) rivals() bool {
	return v.led || len(v.replicas) > 0 && v.replicas[0].count != v.count
}

// decide computes what to do. All replicas that see the same make plans that fit together, and once each has its part
// nothing moves.
func decide(v view) plan {
	p := plan{yield: -1}
	members := v.members()
	if !v.rivals() && !slices.Contains(members, v.me) {
		return p // not seen by the others yet: they would count on it for nothing, and it keeps what it has
	}
	wanted := make([]string, len(v.shards))
	if !v.rivals() {
		wanted = assign(v.shards, members)
	}
	settled := map[string]bool{"": v.rivals()}
	for _, r := range v.replicas {
		settled[r.identity] = !v.now.Before(r.since.Add(v.settle))
	}
	for i, s := range v.shards {
		mine := s.holder == v.me
		switch {
		case i == v.yielding || s.holder != "" && !mine:
		case wanted[i] == v.me:
			if !s.owned && !v.contested {
				p.take = append(p.take, i)
			}
		case !mine:
		case !s.owned:
			p.release = append(p.release, i)
		case p.yield < 0 && v.yielding < 0 && settled[wanted[i]]:
			p.yield = i
		}
	}
	return p
}

// assign returns who shall have each shard. Every member keeps what it has up to its part, and parts differ by one at most; the
// larger ones are for those that have most. A shard that someone holds who is no member is nobody's.
func assign(shards []standing, members []string) []string {
	wanted := make([]string, len(shards))
	has := map[string][]int{}
	pool := 0
	for i, s := range shards {
		if s.holder == "" || slices.Contains(members, s.holder) {
			pool++
			has[s.holder] = append(has[s.holder], i)
		}
	}
	order := slices.SortedFunc(slices.Values(members), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(has[b]), len(has[a])), cmp.Compare(a, b))
	})
	room := map[string]int{}
	free := has[""]
	for i, m := range order {
		part := pool / len(order)
		if i < pool%len(order) {
			part++
		}
		slices.SortFunc(has[m], func(a, b int) int { return cmp.Compare(liking(m, b), liking(m, a)) })
		keep := min(part, len(has[m]))
		for _, shard := range has[m][:keep] {
			wanted[shard] = m
		}
		free = append(free, has[m][keep:]...)
		room[m] = part - keep
	}
	slices.Sort(free)
	for _, shard := range free {
		m := fondest(shard, order, room)
		wanted[shard] = m
		room[m]--
	}
	return wanted
}

// fondest returns the member with room that likes the shard most. There is one: the parts make up the whole.
func fondest(shard int, members []string, room map[string]int) string {
	best, most := "", uint64(0)
	for _, m := range members {
		if l := liking(m, shard); room[m] > 0 && (best == "" || l > most) {
			best, most = m, l
		}
	}
	return best
}
