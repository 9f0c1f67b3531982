package server

import (
	"math"

	"github.com/prometheus/prometheus/model/value"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// series is the one that is being read; there is one at a time.
type series struct {
	resource usage.Resource
	// sink is where its values go; nil if they are not wanted.
	sink *container
	// last is the value before; known is false where there is none that the next one could follow.
	last  point
	known bool
	seen  span

	counter counter
	average average

	gauge gauge
	// top is the largest memory of the minute that is being read; peaks are those before.
	top   peak
	peaks skyline
}

// begin opens a series. Its sink may be nil.
func (s *shard) begin(r usage.Resource, sink *container) {
	peaks := s.open.peaks
	peaks.reset(s.span)
	s.open = series{resource: r, sink: sink, top: peak{minute: -1}, peaks: peaks}
}

// value takes the open series' next value as it was scraped. A server sends whole chunks, and some send more, so that
// times beyond the interval and its margins come, too.
func (s *shard) value(t int64, v float64) {
	o := &s.open
	if t < s.from-leadMillis || t > s.to+trailMillis {
		return
	}
	if t <= o.seen.to {
		s.dropped[outOfOrder]++ // overlapping chunks
		return
	}
	if o.seen.to == 0 {
		o.seen.from = t
	}
	o.seen.to = t
	if reason := s.unusable(v); reason != "" {
		s.dropped[reason]++
		return
	}
	if value.IsStaleNaN(v) {
		// What comes next may be another container's, or the same one's after a scrape that failed. Only a jump to another
		// unit goes on: its end is still to come.
		o.known, o.counter = false, counter{}
		if o.gauge.left == 0 {
			o.gauge = gauge{}
		}
		return
	}
	if o.resource == usage.CPU {
		s.reading(point{t, v})
	} else {
		s.amount(point{t, v})
	}
}

// unusable says why a value is none, whatever was before it. A stale marker is a value: it says that the series ends.
func (s *shard) unusable(v float64) string {
	switch {
	case v >= 0 && v <= math.MaxFloat64 || value.IsStaleNaN(v):
		return ""
	case v < 0 && v >= -math.MaxFloat64:
		return negative
	}
	return notANumber
}

// reading takes what a counter of CPU seconds says at p.
func (s *shard) reading(p point) {
	o := &s.open
	last, known := o.last, o.known
	o.last, o.known = p, true
	if !known {
		return
	}
	if reason := o.counter.judge(last, p); reason != "" {
		s.dropped[reason]++
		return
	}
	from, to, used := max(last.t-s.from, 0), min(p.t, s.to)-s.from, cores(p.v-last.v, p.t-last.t)
	if p.t-last.t >= sparse.Milliseconds() {
		o.average.middles(o.sink, from, to, used)
	} else {
		o.average.spread(o.sink, from, to, used)
	}
}

// amount takes how much memory there was at p.
func (s *shard) amount(p point) {
	if reason := s.open.gauge.judge(p); reason != "" {
		s.dropped[reason]++
		return
	}
	if p.t >= s.from && p.t < s.to {
		s.peak(int32((p.t-s.from)/minute), p.v)
	}
}

// peak takes memory of a minute of the interval. Minutes come in order.
func (s *shard) peak(minute int32, v float64) {
	o := &s.open
	bytes := int64(usage.Truncate(v))
	if minute == o.top.minute {
		o.top.bytes = max(o.top.bytes, bytes)
		return
	}
	if o.top.minute >= 0 {
		o.peaks.add(o.top)
	}
	o.top = peak{minute, bytes}
}

// end closes the open series and folds it into its container.
func (s *shard) end() {
	o := &s.open
	c := o.sink
	if c == nil {
		return
	}
	o.sink = nil
	o.average.flush(c)
	if o.top.minute >= 0 {
		o.peaks.add(o.top)
	}
	if len(c.peaks) == 0 {
		c.peaks = append(c.peaks, o.peaks.peaks...)
	} else if len(o.peaks.peaks) > 0 {
		s.merged.reset(s.span)
		s.merged.merge(c.peaks, o.peaks.peaks)
		c.peaks = append(c.peaks[:0], s.merged.peaks...)
	}
	if c.seen[o.resource].overlaps(o.seen) {
		s.dropped[duplicate]++
	}
	c.seen[o.resource] = c.seen[o.resource].union(o.seen)
}
