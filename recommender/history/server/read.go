package server

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

const (
	// lead is read before an interval, so that a counter's first increase in it has a start.
	lead = 5 * time.Minute
	// trail is read after an interval, so that its last minute is covered to its end.
	trail = time.Minute

	leadMillis, trailMillis = int64(lead / time.Millisecond), int64(trail / time.Millisecond)

	// moreSeries is by how much an answer may have more series than was planned for: pods that are gone, two jobs
	// that scrape the same.
	moreSeries = 4
)

// shard is the answer to one query while it is read. Nothing of it is handed over before its end. What it holds is
// reused for the next, see shards.
type shard struct {
	query history.Query
	// from and to are the interval, in milliseconds since 1970; minutes is how long it is, span the query's
	// PeakSpan in minutes.
	from, to int64
	minutes  int
	span     int32
	// series and samples are what has come, maxSeries and maxSamples what may.
	series, samples, maxSeries, maxSamples int
	dropped                                history.Dropped

	containers map[usage.Container]*container
	// names holds one string for all that are equal.
	names map[string]string
	open  series

	// What follows is there to be used again.
	spare  []*container
	sorted []*container
	merged skyline
	handed []history.Peak
	frames frames
	remote remote
}

// shards keeps what reading takes, between queries that follow soon.
var shards pool

// pool lends shards, which are tens of megabytes, as often as they come back before the garbage collector next runs.
// That of sync would keep one for each processor.
type pool struct {
	mu   sync.Mutex
	free []weak.Pointer[shard]
}

func (p *pool) get() *shard {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.free) - 1; n >= 0; n-- {
		s := p.free[n].Value()
		p.free = p.free[:n]
		if s != nil {
			return s
		}
	}
	return &shard{containers: map[usage.Container]*container{}, names: map[string]string{}}
}

func (p *pool) put(s *shard) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, weak.Make(s))
}

func newShard(q history.Query, o *Options) *shard {
	s := shards.get()
	s.query, s.dropped = q, history.Dropped{}
	s.from, s.to = q.From.UnixMilli(), q.To.UnixMilli()
	s.minutes, s.span = int((s.to-s.from+minute-1)/minute), int32(max(q.PeakSpan/time.Minute, 1))
	s.series, s.samples, s.maxSeries, s.maxSamples = 0, 0, moreSeries*o.MaxSeries, o.MaxSamples
	return s
}

// free gives the shard back. It may not be used any more.
func (s *shard) free() {
	for _, c := range s.containers {
		s.spare = append(s.spare, c)
	}
	clear(s.containers)
	clear(s.names)
	clear(s.sorted)
	s.query, s.dropped, s.open.sink = history.Query{}, nil, nil
	shards.put(s)
}

// name is one string for all that are equal.
func (s *shard) name(text []byte) string {
	if name, ok := s.names[string(text)]; ok {
		return name
	}
	name := string(text)
	s.names[name] = name
	return name
}

// sink returns where the values of a container go, nil if they are not wanted, and counts the series.
func (s *shard) sink(namespace, pod, name []byte) (*container, error) {
	if s.series++; s.series > s.maxSeries {
		return nil, fmt.Errorf("%w: an answer with more than %d series, %d times what --prometheus-max-series plans for", history.ErrTooLarge, s.maxSeries, moreSeries)
	}
	if len(namespace) == 0 || len(pod) == 0 || len(name) == 0 {
		s.dropped[missingLabel]++
		return nil, nil
	}
	id := usage.Container{Namespace: s.name(namespace), Pod: s.name(pod), Name: s.name(name)}
	if c := s.containers[id]; c != nil {
		return c, nil
	}
	if !s.query.Wanted(id.Namespace, id.Pod) {
		return nil, nil
	}
	c := &container{}
	if n := len(s.spare); n > 0 {
		c, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	c.clear(id, s.minutes)
	s.containers[id] = c
	return c, nil
}

// count counts samples that were sent.
func (s *shard) count(samples int) error {
	if s.samples += samples; s.samples > s.maxSamples {
		return fmt.Errorf("%w: an answer with more than --prometheus-max-samples=%d samples", history.ErrTooLarge, s.maxSamples)
	}
	return nil
}

// hand calls each for every container of which something is known, in order.
func (s *shard) hand(each func(history.Usage)) {
	s.sorted = s.sorted[:0]
	for _, c := range s.containers {
		if !c.empty() {
			s.sorted = append(s.sorted, c)
		}
	}
	slices.SortFunc(s.sorted, func(a, b *container) int {
		return cmp.Or(cmp.Compare(a.id.Namespace, b.id.Namespace), cmp.Compare(a.id.Pod, b.id.Pod), cmp.Compare(a.id.Name, b.id.Name))
	})
	for _, c := range s.sorted {
		s.handed = s.handed[:0]
		for _, p := range c.peaks {
			s.handed = append(s.handed, history.Peak{Minute: s.query.From.Add(time.Duration(p.minute) * time.Minute), Bytes: usage.Amount(p.bytes)})
		}
		each(history.Usage{Container: c.id, CPU: c.cpu, Memory: s.handed})
	}
}

// report says how the query went, at a resolution.
func (s *shard) report(resolution time.Duration) history.Report {
	return history.Report{Resolution: resolution, Series: s.series, Samples: s.samples, Dropped: s.dropped}
}
