package server

import "math"

// Reasons for which something that a server sent is dropped. Those of series and of duplicates count series, all
// others count values.
const (
	notANumber   = "not_a_number"
	negative     = "negative"
	counterReset = "counter_reset"
	gap          = "gap"
	absurd       = "absurd"
	unitJump     = "unit_jump"
	outOfOrder   = "out_of_order"
	histogram    = "histogram"
	missingLabel = "missing_label"
	duplicate    = "duplicate"
)

const (
	// maxGap is the longest time between two values of a counter over which its increase is spread, in milliseconds.
	maxGap = 5 * minute
	// maxCores bounds what one container can use; more is a broken counter.
	maxCores = 10_000
	// maxBytes bounds what one container can use: 64 TiB.
	maxBytes = 64 << 40
	// suspectCores is more than what almost any container uses. An increase up to this is believed as it is.
	suspectCores = 100
	// warmUp is how long after its start, or after a fall by more than half, a container's memory may do what it
	// likes, in milliseconds.
	warmUp = 10 * minute
	// ordinary is what any node has, in bytes: 8 GiB. A container's memory may grow to it from anything.
	ordinary = 8 << 30
	// maxLow is for how long a fall may be taken for a jump, in milliseconds.
	maxLow = 60 * minute
)

// The smallest ratio that is taken for one between two units, and the largest that is taken for 1024: within 10 %.
const minScale, maxScale = 0.9 * 1000, 1.1 * 1024

// isScale reports whether a ratio is one between two units, within 10 %: 1000 or 1024, or the square of one of them.
// The two lie so close together that both are one range.
func isScale(ratio float64) bool {
	return ratio >= minScale && ratio <= maxScale || ratio >= minScale*1000 && ratio <= maxScale*1024
}

// point is a value at a time, in milliseconds since 1970.
type point struct {
	t int64
	v float64
}

// counter judges the increases of a counter of CPU seconds.
//
// A counter falls when its container starts again, and begins near 0 then. Where one falls and is back within maxGap, the
// low value was a fault, and the way back up is no usage. That is only asked above suspectCores: below, a container that
// starts again may do the same.
//
// A counter that grows by about 1000 or 1024 times, faster than any container computes, has changed its unit. All
// its increases are wrong by that factor from then on, until it falls. What begins with the wrong unit, before the
// interval that was read, cannot be told from a busy container, unless it is more than maxCores.
type counter struct {
	// high is the value before a fall, before the first of those within maxGap; high.t is 0 if there was none.
	high   point
	jumped bool
}

// judge says why what was gained from a to b is not usage; "" if it is.
func (c *counter) judge(a, b point) string {
	gained, took := b.v-a.v, b.t-a.t
	switch {
	case c.jumped:
		c.jumped = gained >= 0
		return unitJump
	case gained < 0:
		if a.t-c.high.t > maxGap {
			c.high = a
		}
		return counterReset
	case gained*1000 > suspectCores*float64(took):
		if reason := c.suspect(a, b); reason != "" {
			return reason
		}
	}
	if took > maxGap {
		return gap
	}
	return ""
}

func (c *counter) suspect(a, b point) string {
	switch {
	case b.v >= c.high.v && b.t-c.high.t <= maxGap:
		c.high = point{}
		return counterReset
	case isScale(b.v / a.v):
		c.jumped = true
		return unitJump
	case cores(b.v-a.v, b.t-a.t) > maxCores:
		return absurd
	}
	return ""
}

// cores is the average use of so many CPU seconds in so many milliseconds.
func cores(seconds float64, milliseconds int64) float64 {
	return seconds / float64(milliseconds) * 1000
}

// gauge judges a container's bytes of memory.
//
// A JVM may start with 4 MiB and have 4 GiB a minute later; a shell may sleep for hours before what it starts does the
// same. So a jump to another unit is only what else is not to be had: from a level that has stood for warmUp, in one step,
// by 1000 or 1024 or their squares within 10 %, to more than twice of what this series ever had, and more than is ordinary.
// What follows is dropped until a value is nearer to the level before than to the jumped one. A wrong guess costs the rest
// of what is read at once, a day at most: the next day begins at the new level, and believes it.
//
// A fall by such a factor is dropped until it comes back, for maxLow at most. A container that starts small again
// loses an hour of small values, which are nobody's peak.
type gauge struct {
	// good is the last value that was believed; good.t is 0 before the first.
	good point
	// high is the largest value that was believed.
	high float64
	// since is when the level began that good belongs to.
	since int64
	// left is when the level was left by a jump, 0 if it was not; up tells the direction, bound is where values
	// are nearer to the level than to where it jumped.
	left  int64
	up    bool
	bound float64
}

// judge says why a value does not count; "" if it does.
func (g *gauge) judge(p point) string {
	switch {
	case p.v > maxBytes:
		return absurd
	case g.good.t == 0:
		g.since = p.t
	case g.left != 0:
		if g.away(p) {
			return unitJump
		}
		g.left = 0
	case g.jumps(p):
		return unitJump
	}
	if p.v < g.good.v/2 {
		g.since = p.t
	}
	g.good, g.high = p, max(g.high, p.v)
	return ""
}

// away reports whether a value still belongs to the level that was jumped to.
func (g *gauge) away(p point) bool {
	if g.up {
		return p.v > g.bound
	}
	return p.v < g.bound && p.t-g.left < maxLow
}

func (g *gauge) jumps(p point) bool {
	if p.v < minScale*g.good.v && g.good.v < minScale*p.v {
		return false // nearly all
	}
	up := isScale(p.v/g.good.v) && p.v > 2*g.high && p.v > ordinary
	if down := isScale(g.good.v / p.v); !up && !down || p.t-g.since < warmUp {
		return false
	}
	g.left, g.up, g.bound = p.t, up, math.Sqrt(g.good.v*p.v)
	return true
}
