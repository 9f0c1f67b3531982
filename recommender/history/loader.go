package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// Options say how much is asked for at once.
type Options struct {
	// Concurrency is how many queries run at once, at least 1; MaxSeries is how many series one is planned for, at least 2.
	Concurrency, MaxSeries int
	Aggregate              aggregate.Options
}

const (
	// partialEvery is how often a VPA is told what was read so far, while it waits for the rest.
	partialEvery = 10 * time.Second
	// prepareEvery is how often the source is asked anew what it offers, while there is something to read.
	prepareEvery = time.Hour
)

// Loader reads history in the background, a few queries at once, and tries again until it succeeds.
type Loader struct {
	source  Source
	options Options
	now     func() time.Time
	log     logr.Logger
	answers chan Answer
	// wake gets a value when there may be something to do.
	wake chan struct{}

	mu   sync.Mutex
	jobs map[key]*job
	// containers is how many run, by namespace, as the source said when it was prepared last; zero: it is not.
	containers map[string]int
	prepared   time.Time
	// pause is until when the source is left alone, after it failed so many times one after the other.
	pause    time.Time
	failures int
}

// NewLoader returns a loader that does nothing until it is run.
func NewLoader(source Source, o Options, now func() time.Time, log logr.Logger) *Loader {
	return &Loader{
		source: source, options: o, now: now, log: log,
		answers: make(chan Answer), wake: make(chan struct{}, 1), jobs: map[key]*job{},
	}
}

// Want has the window read for the VPA, in place of any that was wanted before. The answers are what was read so far, now
// and then, and at last all of it.
func (l *Loader) Want(vpa types.NamespacedName, w Window) { l.want(key{vpa: vpa}, w) }

// WantRecent has samples read that live metrics did not bring, in place of any that were wanted before. They are all in
// one answer. What Want asked for goes on beside it.
func (l *Loader) WantRecent(vpa types.NamespacedName, w Window) {
	l.want(key{vpa: vpa, recent: true}, w)
}

func (l *Loader) want(k key, w Window) {
	l.mu.Lock()
	l.jobs[k] = newJob(k, w.minutes(), l.options.Aggregate, l.now())
	l.mu.Unlock()
	l.stir()
}

// Forget drops all that was wanted for the VPA. An answer may still come; its Window tells.
func (l *Loader) Forget(vpa types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, key{vpa: vpa})
	delete(l.jobs, key{vpa: vpa, recent: true})
}

// Answers is where answers come. Nothing more is read while nobody takes them.
func (l *Loader) Answers() <-chan Answer { return l.answers }

// Missing is one day (UTC) of a namespace that was not read for so many VPAs which want it.
type Missing struct {
	Namespace string
	Day       time.Time
	VPAs      int
}

// Missing returns what is not read, sorted by namespace and day.
func (l *Loader) Missing() []Missing {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[Missing]int{}
	for _, j := range l.jobs {
		days := map[time.Time]bool{}
		for _, part := range j.todo {
			days[part.From.UTC().Truncate(day)] = true
		}
		for d := range days {
			counts[Missing{Namespace: j.window.Workload.Namespace, Day: d}]++
		}
	}
	missing := make([]Missing, 0, len(counts))
	for m, n := range counts {
		m.VPAs = n
		missing = append(missing, m)
	}
	slices.SortFunc(missing, func(a, b Missing) int { return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), a.Day.Compare(b.Day)) })
	return missing
}

// stir has Run look whether there is something to do.
func (l *Loader) stir() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends.
func (l *Loader) Run(ctx context.Context) {
	var readers sync.WaitGroup
	defer readers.Wait()
	free := make(chan struct{}, l.options.Concurrency)
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		s := l.next(ctx)
		if s == nil {
			return
		}
		readers.Go(func() {
			defer l.stir()
			defer func() { <-free }()
			l.read(ctx, s)
		})
	}
}

// next waits until there is something to read, and returns it; nil when ctx ends.
func (l *Loader) next(ctx context.Context) *shard {
	for ctx.Err() == nil {
		s, wait, unprepared := l.plan()
		switch {
		case unprepared:
			l.prepare(ctx)
			continue
		case s != nil:
			return s
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// plan returns what is to be read now. If that is nothing, it returns for how long, unless something happens, or that the
// source has to be prepared before.
func (l *Loader) plan() (s *shard, wait time.Duration, unprepared bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	wait = time.Hour
	if d := l.pause.Sub(now); d > 0 {
		return nil, d, false
	}
	var due []*job
	for _, j := range l.jobs {
		switch {
		case j.busy:
		case len(j.todo) == 0:
			j.busy = true
			return &shard{jobs: []*job{j}}, 0, false
		case j.due.After(now):
			wait = min(wait, j.due.Sub(now))
		default:
			due = append(due, j)
		}
	}
	if len(due) == 0 {
		return nil, wait, false
	}
	if l.prepared.IsZero() || now.Sub(l.prepared) >= prepareEvery {
		return nil, 0, true
	}
	s = planner{maxSeries: l.options.MaxSeries, containers: l.containers, aggregate: l.options.Aggregate}.shard(due)
	for _, j := range s.jobs {
		j.busy = true
	}
	return s, 0, false
}

// prepare has the source get ready, and tells everybody who waits if it does not.
func (l *Loader) prepare(ctx context.Context) {
	err := l.source.Prepare(ctx)
	var containers map[string]int
	if err == nil {
		containers, err = l.source.Containers(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	if err == nil {
		l.prepared, l.containers, l.failures = l.now(), containers, 0
		l.mu.Unlock()
		return
	}
	l.failures++
	wait := pauseAfter(err, l.failures)
	l.pause = l.now().Add(wait)
	waiting := make([]*job, 0, len(l.jobs))
	for _, j := range l.jobs {
		if !j.busy && len(j.todo) > 0 {
			waiting = append(waiting, j)
		}
	}
	l.mu.Unlock()
	l.log.Error(err, "History cannot be read, will try again", "in", wait.Round(time.Second), "vpas", len(waiting))
	slices.SortFunc(waiting, inOrder)
	for _, j := range waiting {
		l.failed(ctx, j, err)
	}
}

// read reads a shard, and tells those of its jobs who are to know.
func (l *Loader) read(ctx context.Context, s *shard) {
	if len(s.jobs[0].todo) == 0 { // everything was known
		l.tell(ctx, s.jobs[0], true)
		return
	}
	began := l.now()
	report, known, err := l.query(ctx, s)
	if ctx.Err() != nil {
		return
	}
	var finished []*job
	l.mu.Lock()
	now := l.now()
	if err == nil {
		l.failures = 0
		for i, j := range s.jobs {
			j.took(known[i], report.Resolution)
			if len(j.todo) == 0 {
				finished = append(finished, j)
			}
		}
	} else {
		l.refused(s, err, now)
	}
	l.mu.Unlock()
	l.log.V(1).Info("Read a part of history", "from", s.From, "to", s.To, "namespaces", s.namespaces, "vpas", len(s.jobs),
		"series", report.Series, "samples", report.Samples, "dropped", report.Dropped, "error", err)
	for _, j := range s.jobs {
		switch {
		case err != nil && (j.failures > 0 || now.Sub(began) >= partialEvery):
			l.failed(ctx, j, fmt.Errorf("history from %s to %s: %w", s.From.UTC().Format(time.RFC3339), s.To.UTC().Format(time.RFC3339), err))
		case slices.Contains(finished, j):
			l.tell(ctx, j, true)
		case err == nil && !j.recent && now.Sub(j.told) >= partialEvery:
			l.tell(ctx, j, false)
		}
	}
	l.mu.Lock()
	for _, j := range s.jobs {
		j.busy = false
	}
	l.mu.Unlock()
}

// query reads a shard into its jobs. known are, for each job, the minutes of its part of which something is known.
func (l *Loader) query(ctx context.Context, s *shard) (report Report, known [][]bool, err error) {
	links, err := l.source.Owners(ctx, s.namespaces, s.Interval)
	if err != nil {
		return Report{}, nil, fmt.Errorf("who owned the pods: %w", err)
	}
	known = make([][]bool, len(s.jobs))
	workloads := make([]Workload, len(s.jobs))
	for i, j := range s.jobs {
		known[i] = make([]bool, j.head().Length()/time.Minute)
		workloads[i] = j.window.Workload
	}
	index, found := owners.NewIndex(workloads), []int(nil)
	jobsOf := func(namespace, pod string) []int {
		found = index.Owners(found[:0], links, namespace, pod)
		return found
	}
	q := s.query(links)
	q.Wanted = func(namespace, pod string) bool { return len(jobsOf(namespace, pod)) > 0 }
	report, err = l.source.Read(ctx, q, func(u Usage) {
		for _, i := range jobsOf(u.Container.Namespace, u.Container.Pod) {
			s.jobs[i].add(u, s.From, s.jobs[i].head(), known[i])
		}
	})
	return report, known, err
}

// tell answers with what was read so far of a job, which is done if it is finished.
func (l *Loader) tell(ctx context.Context, j *job, finished bool) {
	l.mu.Lock()
	current := l.jobs[j.key] == j
	if current && finished {
		delete(l.jobs, j.key)
	}
	l.mu.Unlock()
	if !current {
		return
	}
	a := Answer{VPA: j.vpa, Window: j.window, Progress: j.progress()}
	if j.recent {
		slices.SortStableFunc(j.samples, func(a, b usage.Sample) int { return a.Time.Compare(b.Time) })
		a.Recent = j.samples
	} else {
		a.Usage = j.usage(finished)
	}
	l.send(ctx, a)
	j.told, j.err = l.now(), ""
}

// failed answers that the job failed, unless that was told before.
func (l *Loader) failed(ctx context.Context, j *job, err error) {
	l.mu.Lock()
	current := l.jobs[j.key] == j
	l.mu.Unlock()
	if !current || j.err == err.Error() {
		return
	}
	j.err = err.Error()
	l.send(ctx, Answer{VPA: j.vpa, Window: j.window, Progress: j.progress(), Err: err})
}

func (l *Loader) send(ctx context.Context, a Answer) {
	select {
	case l.answers <- a:
	case <-ctx.Done():
	}
}
