package shards

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// ownership is what this replica owns, each shard until a moment of its own clock. It is safe for concurrent use.
type ownership struct {
	now     func() time.Time
	log     logr.Logger
	changed chan struct{}

	mu     sync.RWMutex
	claims []claim
}

// claim is on one shard.
type claim struct {
	held  bool
	until time.Time
	// lapse ends the claim at until.
	lapse *time.Timer
	// lost, if set, is called once when the claim ends.
	lost context.CancelFunc
}

func newOwnership(count int, now func() time.Time, log logr.Logger) *ownership {
	return &ownership{now: now, log: log, changed: make(chan struct{}, 1), claims: make([]claim, count)}
}

func (o *ownership) owns(shard int) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return shard >= 0 && shard < len(o.claims) && o.valid(shard)
}

func (o *ownership) valid(shard int) bool {
	c := &o.claims[shard]
	return c.held && o.now().Before(c.until)
}

func (o *ownership) held() []int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var held []int
	for shard := range o.claims {
		if o.valid(shard) {
			held = append(held, shard)
		}
	}
	return held
}

// extend claims the shard until then. A claim that has run out unseen ends first, so that its end is told.
func (o *ownership) extend(shard int, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &o.claims[shard]
	if c.held && !o.valid(shard) {
		o.finish(shard, lapsed)
	}
	left := until.Sub(o.now())
	if left <= 0 {
		return
	}
	began := !c.held
	c.held, c.until = true, until
	if !began {
		c.lapse.Reset(left)
		return
	}
	c.lapse = time.AfterFunc(left, func() { o.lapse(shard) })
	o.log.Info("Took a shard", "shard", shard)
	o.tell()
}

const lapsed = "Lost a shard, its lease could not be renewed in time"

// lapse ends the claim if its time has come; it may have been extended meanwhile.
func (o *ownership) lapse(shard int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &o.claims[shard]
	if !c.held {
		return
	}
	if left := c.until.Sub(o.now()); left > 0 {
		c.lapse.Reset(left)
		return
	}
	o.finish(shard, lapsed)
}

// end ends the claim on the shard if there is one, and logs why.
func (o *ownership) end(shard int, why string, keysAndValues ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.claims[shard].held {
		o.finish(shard, why, keysAndValues...)
	}
}

func (o *ownership) endAll(why string) {
	for shard := range o.claims {
		o.end(shard, why)
	}
}

func (o *ownership) finish(shard int, why string, keysAndValues ...any) {
	c := &o.claims[shard]
	c.lapse.Stop()
	if c.lost != nil {
		c.lost()
	}
	*c = claim{}
	o.log.Info(why, append(slices.Clone(keysAndValues), "shard", shard)...)
	o.tell()
}

// whileHeld returns a context that ends with the claim, or at once if there is none.
func (o *ownership) whileHeld(ctx context.Context, shard int) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	if !o.valid(shard) {
		cancel()
		return ctx
	}
	o.claims[shard].lost = cancel
	return ctx
}

func (o *ownership) tell() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}
