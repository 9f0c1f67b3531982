package shards

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAReplicaThatCannotRenewOwnsNothingBeforeAnotherDoes(t *testing.T) {
	for name, trouble := range map[string]func(*link){
		"calls hang":        func(l *link) { l.cut = true },
		"calls fail":        func(l *link) { l.failing = true },
		"answers are lost":  func(l *link) { l.deaf = true },
		"calls take a year": func(l *link) { l.delay = 365 * 24 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := w.start(t, "a", 3), w.start(t, "b", 3)
				within(t, balance, "two share", func() bool { return w.shared(3, a, b) })
				a.link.set(trouble)
				within(t, renewDeadline+tick, "it owns nothing", func() bool { return len(a.shards.Held()) == 0 })
				if name != "answers are lost" { // its renewals arrive
					within(t, takeover-renewDeadline+retryPeriod, "the other owns all", func() bool { return w.shared(3, b) })
				}
				during(t, time.Minute, "so it stays", func() bool { return len(a.shards.Held()) == 0 })
				a.link.set(func(l *link) { l.cut, l.failing, l.deaf, l.delay = false, false, false, 0 })
				within(t, balance, "two share again", func() bool { return w.shared(3, a, b) })
			})
		})
	}
}

func TestALateAnswerDoesNotMakeTheTermLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		a := w.start(t, "a", 1)
		within(t, tick, "it leads", func() bool { return a.shards.Owns(0) })
		a.link.set(func(l *link) { l.delay = 4 * time.Second })
		during(t, retryPeriod+3*time.Second, "its renewal is under way", func() bool { return a.shards.Owns(0) })
		a.link.set(func(l *link) { l.cut = true })
		within(t, time.Minute, "it leads no longer", func() bool { return !a.shards.Owns(0) })
		require.InDelta(t, retryPeriod+renewDeadline, time.Since(began), float64(2*tick))
	})
}

func TestARenewalThatIsUnderWayAtTheEndIsReleasedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 1)
		within(t, tick, "it leads", func() bool { return a.shards.Owns(0) })
		a.link.set(func(l *link) { l.delay = 4 * time.Second })
		during(t, retryPeriod+tick, "a renewal is under way", func() bool { return true })
		a.link.set(func(l *link) { l.delay = 1600 * time.Millisecond })
		require.NoError(t, a.stop())
		require.Empty(t, holder(w.server.get("vpa-recommender-lease")))
	})
}

func TestASlowAPIServerCostsNoShard(t *testing.T) {
	for _, delay := range []time.Duration{100 * time.Millisecond, time.Second, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			slow := func(r *runner) *runner {
				r.link.set(func(l *link) { l.delay = delay })
				return r
			}
			a, b := slow(w.start(t, "a", 5)), slow(w.start(t, "b", 5))
			within(t, 2*balance, "two share", func() bool { return w.shared(5, a, b) })
			during(t, time.Minute, "nothing moves", func() bool { return w.shared(5, a, b) })
			require.NoError(t, a.stop())
			within(t, retryPeriod+4*delay, "the other has all", func() bool { return w.shared(5, b) })
		})
	}
}

func TestAfterAnOutageEachGoesOnWithItsOwn(t *testing.T) {
	for _, count := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a := w.start(t, "a", count)
			within(t, 2*retryPeriod, "one has all", func() bool { return w.shared(count, a) })
			b := w.start(t, "b", count)
			during(t, balance, "work goes on", func() bool { return len(a.shards.Held()) > 0 })
			owners := w.owners(count)
			for _, r := range []*runner{a, b} {
				r.link.set(func(l *link) { l.failing = true })
			}
			during(t, time.Minute, "it is an outage", func() bool { return true })
			require.Equal(t, make([]string, count), w.owners(count))
			b.link.set(func(l *link) { l.failing = false })
			during(t, retryPeriod, "the first to see waits for the other", func() bool { return w.owners(count)[0] != "b" || owners[0] == "b" })
			a.link.set(func(l *link) { l.failing = false })
			within(t, retryPeriod+2*tick, "all as before", func() bool { return sameOwners(owners, w.owners(count)) })
		})
	}
}

func sameOwners(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestClocksNeedNotAgree(t *testing.T) {
	for name, clock := range map[string]func(start time.Time) time.Time{
		"an hour ahead":        func(time.Time) time.Time { return time.Now().Add(time.Hour) },
		"an hour behind":       func(time.Time) time.Time { return time.Now().Add(-time.Hour) },
		"a twentieth too slow": func(start time.Time) time.Time { return start.Add(time.Since(start) * 19 / 20) },
		"a twentieth too fast": func(start time.Time) time.Time { return start.Add(time.Since(start) * 21 / 20) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				start := time.Now()
				a := w.startWithClock(t, "a", 5, func() time.Time { return clock(start) })
				b := w.start(t, "b", 5)
				within(t, balance, "two share", func() bool { return w.shared(5, a, b) })
				during(t, time.Minute, "nothing moves", func() bool { return w.shared(5, a, b) })
				for _, r := range []*runner{a, b} {
					r.link.set(func(l *link) { l.cut = true })
					within(t, 2*takeover, "the other has all", func() bool { return len(r.shards.Held()) == 0 && countOwned(w.owners(5)) == 5 })
					r.link.set(func(l *link) { l.cut = false })
					within(t, balance, "two share again", func() bool { return w.shared(5, a, b) })
				}
				a.kill()
				within(t, takeover+2*time.Second, "the other has all", func() bool { return w.shared(5, b) })
			})
		})
	}
}

func countOwned(owners []string) int {
	owned := 0
	for _, o := range owners {
		if o != "" {
			owned++
		}
	}
	return owned
}

func TestTheEndSaysWhatIsNotReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(t, "a", 3), w.start(t, "b", 3)
		within(t, balance, "two share", func() bool { return w.shared(3, a, b) })
		a.link.set(func(l *link) { l.failing = true })
		require.ErrorContains(t, a.stop(), "releasing the leases in namespace vpa; they run out within 15s")
		within(t, takeover, "the other has all", func() bool { return w.shared(3, b) })
	})
}

func TestAReplicaThatCannotSeeIsNotCountedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 4)
		b := w.start(t, "b", 4)
		within(t, balance, "two share", func() bool { return w.shared(4, a, b) })
		b.link.set(func(l *link) { l.blind = true })
		during(t, time.Minute, "what it holds it keeps", func() bool { return len(b.shards.Held()) == 2 })
		a.kill()
		c := w.start(t, "c", 4)
		within(t, takeover+retryPeriod, "the new one has what is free", func() bool { return len(c.shards.Held()) == 2 })
	})
}
