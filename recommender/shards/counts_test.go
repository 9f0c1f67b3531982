package shards

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestReplicasWithAnotherCountOfShardsWaitUntilTheOldOnesAreGone(t *testing.T) {
	for name, counts := range map[string]struct{ old, new int }{"more": {3, 5}, "fewer": {5, 3}, "from one leader": {1, 4}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := w.start(t, "a", counts.old), w.start(t, "b", counts.old)
				within(t, balance, "the old ones work", func() bool { return w.shared(counts.old, a, b) })
				during(t, 3*time.Second, "whose presence is older has to be clear", func() bool { return true })
				c := w.start(t, "c", counts.new)
				during(t, 61*time.Second, "they go on", func() bool { return len(c.shards.Held()) == 0 && countOwned(w.owners(counts.old)) == counts.old })
				d := w.start(t, "d", counts.new)
				if err := a.stop(); err != nil {
					t.Fatal(err)
				}
				during(t, time.Minute, "one is left", func() bool { return len(c.shards.Held())+len(d.shards.Held()) == 0 })
				b.kill()
				within(t, takeover+4*retryPeriod, "the new ones work", func() bool { return w.shared(counts.new, c, d) })
			})
		})
	}
}

func TestReplicasThatStartAtOnceWithDifferentCountsNeverWorkSideBySide(t *testing.T) {
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a, b, c := w.start(t, "a", 2), w.start(t, "b", 3), w.start(t, "c", 4)
			within(t, balance, "one of them works", func() bool { return w.shared(2, a) || w.shared(3, b) || w.shared(4, c) })
			a.kill()
			b.kill()
			within(t, balance, "the last one works", func() bool { return w.shared(4, c) })
		})
	}
}

func TestManyShardsGiveWayToOneLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(t, "a", 3), w.start(t, "b", 3)
		within(t, balance, "two share", func() bool { return w.shared(3, a, b) })
		w.mu.Lock()
		w.overlap = true
		w.mu.Unlock()
		c := w.start(t, "c", 1)
		within(t, 3*retryPeriod, "they give way", func() bool { return len(a.shards.Held())+len(b.shards.Held()) == 0 })
		w.mu.Lock()
		w.overlap = false
		w.mu.Unlock()
		during(t, time.Minute, "they stay away", func() bool { return w.shared(1, c) && len(a.shards.Held())+len(b.shards.Held()) == 0 })
		c.kill()
		within(t, takeover+4*retryPeriod, "they are back", func() bool { return w.shared(3, a, b) })
	})
}
