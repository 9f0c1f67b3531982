package shards

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestNoShardEverHasTwoOwners lets replicas come, go, and have all kinds of trouble, in many orders. The world looks on.
func TestNoShardEverHasTwoOwners(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			count := []int{1, 5}[seed%2]
			dice := rand.New(rand.NewPCG(seed, 0))
			var all []*runner
			next := 'a'
			for range 60 {
				all = turn(t, w, dice, count, all, &next)
				pause(t.Context(), time.Duration(1+dice.IntN(20000))*time.Millisecond)
			}
			for _, r := range all {
				r.link.set(func(l *link) { l.cut, l.failing, l.deaf, l.blind, l.delay = false, false, false, false, 0 })
			}
			if len(all) == 0 {
				all = append(all, w.start(t, "last", count))
			}
			within(t, 2*balance, "all is shared in the end", func() bool { return w.shared(count, all...) })
		})
	}
}

// turn has something happen.
func turn(t *testing.T, w *world, dice *rand.Rand, count int, all []*runner, next *rune) []*runner {
	if len(all) == 0 || len(all) < 4 && dice.IntN(4) == 0 {
		*next++
		skew := time.Duration(dice.IntN(7200)-3600) * time.Second
		return append(all, w.startWithClock(t, string(*next), count, func() time.Time { return time.Now().Add(skew) }))
	}
	i := dice.IntN(len(all))
	r := all[i]
	gone := func() []*runner { return append(all[:i:i], all[i+1:]...) }
	switch dice.IntN(12) {
	case 0:
		r.kill()
		return gone()
	case 1:
		_ = r.stop() // its link may be in trouble
		return gone()
	case 2, 3:
		r.link.set(func(l *link) { l.cut = !l.cut })
	case 4:
		r.link.set(func(l *link) { l.failing = !l.failing })
	case 5:
		r.link.set(func(l *link) { l.deaf = !l.deaf })
	case 6:
		r.link.set(func(l *link) { l.blind = !l.blind })
	case 7, 8:
		r.link.set(func(l *link) { l.delay = time.Duration(dice.IntN(12000)) * time.Millisecond })
	default:
		r.link.set(func(l *link) { l.cut, l.failing, l.deaf, l.blind, l.delay = false, false, false, false, 0 })
	}
	return all
}
