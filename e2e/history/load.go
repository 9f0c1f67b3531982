package history

import (
	"math"
	"time"
)

// Load is what one container uses at an instant: cores or bytes, never negative. It is a pure function; t is
// relative to the recording's End (negative before it) and seed tells containers apart.
type Load func(seed uint64, t time.Duration) float64

// Steady stays around mean. noise is a share of mean, 0 to 1: 0.1 stays within 10 %.
func Steady(mean, noise float64) Load {
	return func(seed uint64, t time.Duration) float64 {
		return mean * (1 + noise*wobble(seed, t))
	}
}

// Diurnal rises and falls once in 24 hours around mean. amplitude and noise are shares of mean that add up to
// at most 1. End is on the rising side: six hours ago was the trough, eighteen hours ago the peak, whatever
// the clock says, because the same recording must not depend on the hour it is made at.
func Diurnal(mean, amplitude, noise float64) Load {
	return func(seed uint64, t time.Duration) float64 {
		day := 2 * math.Pi * float64(t%(24*time.Hour)) / float64(24*time.Hour)
		return mean * (1 + amplitude*math.Sin(day) + noise*wobble(seed, t))
	}
}

// Bursty multiplies base by factor for a time of lasting, once in each period of every, at a moment that is
// random within the period. A lasting of a fifth of every is a burst 20 % of the time. lasting is at most every.
func Bursty(base Load, factor float64, every, lasting time.Duration) Load {
	return func(seed uint64, t time.Duration) float64 {
		period := floorDiv(t, every)
		begin := time.Duration(unit(seed^saltBurst, uint64(period)) * float64(every-lasting))
		if into := t - time.Duration(period)*every - begin; into >= 0 && into < lasting {
			return factor * base(seed, t)
		}
		return base(seed, t)
	}
}

// Scale is l times factor.
func Scale(l Load, factor float64) Load {
	return func(seed uint64, t time.Duration) float64 { return factor * l(seed, t) }
}

// resolution is how finely CPU usage is integrated. It is finer than any usual scrape interval and does not
// depend on it, so that scraping less often loses detail, as it does in life, but not usage.
const resolution = 10 * time.Second

// meter is a CPU counter: the integral of a load since a container started, the load being taken at the
// beginning of each resolution step. It only moves forward.
type meter struct {
	load  Load
	seed  uint64
	now   time.Duration // integrated up to here
	until time.Duration // end of the step that rate is of
	rate  float64       // cores
	total float64       // core seconds
}

// startMeter has not looked at the load yet: until stands at the start, so the first advance does.
func startMeter(load Load, seed uint64, start time.Duration) meter {
	return meter{load: load, seed: seed, now: start, until: start}
}

// advance moves the counter to time to and returns it.
func (m *meter) advance(to time.Duration) float64 {
	for m.now < to {
		if m.now >= m.until {
			step := time.Duration(floorDiv(m.now, resolution)) * resolution
			m.rate = max(0, m.load(m.seed, step))
			m.until = step + resolution
		}
		next := min(m.until, to)
		m.total += m.rate * (next - m.now).Seconds()
		m.now = next
	}
	return m.total
}
