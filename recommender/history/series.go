package history

import (
	"github.com/prometheus/prometheus/prompb"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// series is the one that is being read. Its CPU is averaged minute by minute before it is compared with
// other series of the same container, so that two half-covered minutes do not add up.
type series struct {
	resource usage.Resource
	labels   []prompb.Label
	sink     *minutes
	last     point
	// start is the minute being averaged; used and covered are core-milliseconds and milliseconds of it.
	start         int64
	used, covered float64
}

type point struct {
	t int64 // milliseconds since 1970
	v float64
}

// cover adds span milliseconds at the given rate, beginning at t and ending within t's minute.
func (s *series) cover(d *day, t int64, span, cores float64) {
	if start := t - (t-d.from)%minute; start != s.start {
		s.flush(d)
		s.start = start
	}
	s.used += cores * span
	s.covered += span
}

// flush hands over the minute that was being averaged.
func (s *series) flush(d *day) {
	if s.covered >= minCovered {
		d.raise(usage.CPU, s.start, s.used/s.covered)
	}
	s.used, s.covered = 0, 0
}
