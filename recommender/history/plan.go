package history

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

const (
	// byName is how many workloads a query asks for by the names of their pods. The server compares each with the names of
	// all pods.
	byName = 16
	// maxText bounds the names in one query, in bytes. VictoriaMetrics takes 16 KiB in all, and half may be ours twice.
	maxText = 4 << 10
	// together is how far apart parts may be that one query asks for, if they are not the same: small ones, for what a
	// restart missed of many workloads.
	together = 2 * time.Hour
	// series is how many series a container has: CPU and memory.
	series = 2
)

// shard is what one query reads: a part of each of its jobs.
type shard struct {
	Interval
	jobs       []*job
	namespaces []string
	// named is set when only pods of these jobs are asked for, by name, and not all of the namespaces.
	named    bool
	peakSpan time.Duration
}

// planner knows what bounds a query.
type planner struct {
	// maxSeries is how many series one query may return, as far as can be known before.
	maxSeries int
	// containers is how many run, by namespace; a namespace that is not in it is of unknown size.
	containers map[string]int
	aggregate  aggregate.Options
}

// inOrder is the order in which jobs are served: what live metrics miss, then whoever waits for anything, then the newest
// days of all.
func inOrder(a, b *job) int {
	return cmp.Or(
		compareBool(b.recent, a.recent),
		compareBool(len(b.todo) == b.total, len(a.todo) == a.total),
		b.head().To.Compare(a.head().To), a.asked.Compare(b.asked),
		cmp.Compare(a.vpa.Namespace, b.vpa.Namespace), cmp.Compare(a.vpa.Name, b.vpa.Name))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// shard plans what is to be read next for some of the jobs, of which there is at least one: for the first in order, and
// for those whose part is alike. Where at least half of a namespace is wanted all of it is read, because that is cheap
// for the server, and several namespaces together while they are small.
func (p planner) shard(jobs []*job) *shard {
	slices.SortFunc(jobs, inOrder)
	first := jobs[0]
	alike := slices.DeleteFunc(jobs, func(j *job) bool { return !first.alike(j) })
	byNamespace, order := map[string][]*job{}, []string{}
	for _, j := range alike {
		ns := j.window.Workload.Namespace
		if byNamespace[ns] == nil {
			order = append(order, ns)
		}
		byNamespace[ns] = append(byNamespace[ns], j)
	}
	s := &shard{Interval: first.head()}
	room, text := p.maxSeries/series, maxText
	if p.named(byNamespace[order[0]], room) {
		s.named = true
		s.jobs = p.some(byNamespace[order[0]], room)
	} else {
		for _, ns := range order {
			size := p.containers[ns]
			if size > room || len(ns) >= text || p.named(byNamespace[ns], room) {
				continue
			}
			room, text = room-size, text-len(ns)-1
			s.jobs = append(s.jobs, byNamespace[ns]...)
		}
	}
	p.complete(s)
	return s
}

// alike reports whether one query can be for both heads: the same interval, or two short ones of the same day.
func (j *job) alike(o *job) bool {
	a, b := j.head(), o.head()
	if a.equal(b) {
		return true
	}
	return a.From.Truncate(day).Equal(b.From.Truncate(day)) && latest(a.To, b.To).Sub(earliest(a.From, b.From)) <= together
}

// named reports whether the jobs, which are those of one namespace, are read by name.
func (p planner) named(jobs []*job, room int) bool {
	size := p.containers[jobs[0].window.Workload.Namespace]
	wanted := 0
	for _, j := range jobs {
		if j.together > 0 {
			return true
		}
		wanted += max(1, j.window.Containers)
	}
	return size == 0 || size > room || wanted*2 < size
}

// some returns as many of the jobs, which are those of one namespace, as one query may name.
func (p planner) some(jobs []*job, room int) []*job {
	most, text := byName, maxText
	for i, j := range jobs {
		if j.together > 0 {
			most = min(most, j.together)
		}
		room, text = room-max(1, j.window.Containers), text-len(owners.Names(j.window.Workload))-1
		if i > 0 && (i >= most || room < 0 || text < 0) {
			return jobs[:i]
		}
	}
	return jobs
}

// complete fills in what follows from the shard's jobs.
func (p planner) complete(s *shard) {
	s.peakSpan = day
	for _, j := range s.jobs {
		s.namespaces = append(s.namespaces, j.window.Workload.Namespace)
		s.peakSpan = min(s.peakSpan, j.peakSpan(p.aggregate))
		if !j.head().equal(s.Interval) {
			s.From, s.To = earliest(s.From, j.head().From), latest(s.To, j.head().To)
			// A part that ends within a span needs every minute.
			s.peakSpan = time.Minute
		}
		if j.recent {
			s.peakSpan = time.Minute
		}
	}
	slices.Sort(s.namespaces)
	s.namespaces = slices.Compact(s.namespaces)
}

// query returns the shard as the source understands it. links may be nil.
func (s *shard) query(links *owners.Links) Query {
	q := Query{Interval: s.Interval, Namespaces: s.namespaces, PeakSpan: s.peakSpan}
	if s.named {
		var pods []string
		for _, j := range s.jobs {
			pods = append(pods, owners.Names(j.window.Workload))
			for _, odd := range links.Odd(j.window.Workload) {
				pods = append(pods, regexp.QuoteMeta(odd))
			}
		}
		slices.Sort(pods)
		q.Pods = strings.Join(slices.Compact(pods), "|")
		if len(q.Pods) > 2*maxText {
			q.Pods = "" // very many that have odd names: all pods are asked for, and these are wanted
		}
	}
	return q
}
