package server

import (
	"math"
	"slices"
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

const (
	// minute is one in milliseconds, which is what servers count in.
	minute = int64(time.Minute / time.Millisecond)
	// minCovered is how much of a minute must be known for its average to count, in milliseconds.
	minCovered = 20_000
)

// container is what is known of one container. Several series of it (it was restarted, two servers scrape the same
// node) fold into one: the largest value of a minute counts.
type container struct {
	id usage.Container
	// cpu is in millicores, by minute of the interval.
	cpu   []int32
	peaks []peak
	// seen is from when to when there were series of each resource.
	seen [len(usage.Resources)]span
}

// span is a time with both its ends, in milliseconds since 1970; empty where to is 0.
type span struct{ from, to int64 }

func (s span) overlaps(o span) bool { return s.to != 0 && o.to != 0 && s.from < o.to && o.from < s.to }

func (s span) union(o span) span {
	if s.to == 0 {
		return o
	}
	return span{min(s.from, o.from), max(s.to, o.to)}
}

// clear makes c a container of which nothing is known.
func (c *container) clear(id usage.Container, minutes int) {
	cpu := slices.Grow(c.cpu[:0], minutes)[:minutes]
	for i := range cpu {
		cpu[i] = history.Unknown
	}
	*c = container{id: id, cpu: cpu, peaks: c.peaks[:0]}
}

// empty reports whether nothing is known of c.
func (c *container) empty() bool {
	return len(c.peaks) == 0 && !slices.ContainsFunc(c.cpu, func(v int32) bool { return v != history.Unknown })
}

// average is the minute of CPU that is being averaged. It is compared with other series of the same container when
// it is whole, so that two half-covered minutes do not add up.
type average struct {
	// minute is counted from the beginning of the interval.
	minute int64
	// used and covered are core-milliseconds and milliseconds of it.
	used, covered float64
}

// spread adds an average use of cores, from one time to another in milliseconds since the beginning of the
// interval, to the minutes between them.
func (a *average) spread(c *container, from, to int64, cores float64) {
	for from < to {
		m := from / minute
		if m != a.minute {
			a.flush(c)
			a.minute = m
		}
		end := min(to, (m+1)*minute)
		a.used += cores * float64(end-from)
		a.covered += float64(end - from)
		from = end
	}
}

// sparse is from how long between two scrapes on a minute has about one.
const sparse = 45 * time.Second

// middles gives an average use of cores to the minutes whose middle it was measured over, where scrapes are sparse. Live, a
// minute's average is also from one scrape to another; shares of two such averages in one minute would level bursts.
func (a *average) middles(c *container, from, to int64, cores float64) {
	for m := max(from+minute/2-1, 0) / minute; m*minute+minute/2 < to; m++ {
		if m != a.minute {
			a.flush(c)
			a.minute = m
		}
		a.used += cores * float64(minute)
		a.covered += float64(minute)
	}
}

// flush hands over the minute that was being averaged.
func (a *average) flush(c *container) {
	if a.covered >= minCovered {
		c.cpu[a.minute] = max(c.cpu[a.minute], millicores(a.used/a.covered))
	}
	a.used, a.covered = 0, 0
}

// millicores rounds as the consumers of metrics.k8s.io do: nanocores, then up to millicores. Above maxCores there is
// nothing, so that it fits.
func millicores(cores float64) int32 { return int32(usage.RoundUp(math.Round(cores*1e9) / 1e6)) }
