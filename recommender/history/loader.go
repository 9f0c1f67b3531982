package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

const (
	// piece is how much of a window one request reads: a day of one workload is small for any server.
	piece = 24 * time.Hour
	// Retries start after firstRetry and double up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 2 * time.Minute
)

// Loader reads history in the background, a few windows at once, and tries again until it succeeds.
type Loader struct {
	reader    Reader
	workers   int
	aggregate aggregate.Options
	log       logr.Logger
	queue     workqueue.TypedRateLimitingInterface[types.NamespacedName]
	answers   chan Answer

	mu sync.Mutex
	// jobs are the windows that are wanted, by VPA. A job is worked on by one goroutine at a time.
	jobs map[types.NamespacedName]*job
}

// job is a window and what has been read of it, oldest first. Every VPA has at most one.
type job struct {
	window  Window
	next    time.Time
	usage   *aggregate.Workload
	samples int
}

// NewLoader returns a loader that reads with workers requests at once.
func NewLoader(reader Reader, workers int, o aggregate.Options, log logr.Logger) *Loader {
	return &Loader{
		reader: reader, workers: workers, aggregate: o, log: log,
		queue: workqueue.NewTypedRateLimitingQueue(
			jittered{workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](firstRetry, lastRetry)}),
		answers: make(chan Answer),
		jobs:    map[types.NamespacedName]*job{},
	}
}

// jittered spreads retries, so that a server that comes back is not met by all at once.
type jittered struct {
	workqueue.TypedRateLimiter[types.NamespacedName]
}

func (j jittered) When(vpa types.NamespacedName) time.Duration {
	d := j.TypedRateLimiter.When(vpa)
	return d/2 + rand.N(d)
}

// Want has the window read for the VPA, in place of any that was wanted before.
func (l *Loader) Want(vpa types.NamespacedName, w Window) {
	w = w.minutes()
	l.mu.Lock()
	l.jobs[vpa] = &job{window: w, next: w.From, usage: aggregate.NewWorkload(l.aggregate)}
	l.mu.Unlock()
	l.queue.Forget(vpa)
	l.queue.Add(vpa)
}

// Forget drops what was wanted for the VPA. An answer may still come; its Window tells.
func (l *Loader) Forget(vpa types.NamespacedName) {
	l.mu.Lock()
	delete(l.jobs, vpa)
	l.mu.Unlock()
	l.queue.Forget(vpa)
}

// Answers is where answers come. Nothing more is read while nobody takes them.
func (l *Loader) Answers() <-chan Answer { return l.answers }

// Run works until ctx ends.
func (l *Loader) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, l.queue.ShutDown)
	defer stop()
	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() {
			for l.work(ctx) {
			}
		})
	}
	workers.Wait()
}

// work takes one VPA from the queue and reads its window as far as it gets; false when there is no more.
func (l *Loader) work(ctx context.Context) bool {
	vpa, down := l.queue.Get()
	if down {
		return false
	}
	defer l.queue.Done(vpa)
	j := l.job(vpa)
	if j == nil {
		return true
	}
	err := l.read(ctx, vpa, j)
	if ctx.Err() != nil {
		return true
	}
	a := Answer{VPA: vpa, Window: j.window, Err: err}
	if err == nil {
		a.Usage, a.Samples = j.usage, j.samples
		l.done(vpa, j)
	} else {
		l.log.Error(err, "Reading history failed, will try again", "vpa", vpa, "failures", l.queue.NumRequeues(vpa)+1)
		l.queue.AddRateLimited(vpa)
	}
	select {
	case l.answers <- a:
	case <-ctx.Done():
	}
	return true
}

func (l *Loader) job(vpa types.NamespacedName) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.jobs[vpa]
}

// done removes the job unless another window has been wanted meanwhile.
func (l *Loader) done(vpa types.NamespacedName, j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.jobs[vpa] == j {
		delete(l.jobs, vpa)
		l.queue.Forget(vpa)
	}
}

// read goes on where j stopped. Memory intervals begin at a container's first sample, so time runs forwards.
func (l *Loader) read(ctx context.Context, vpa types.NamespacedName, j *job) error {
	for {
		part, more := j.window.next(j.next)
		if !more {
			return nil
		}
		samples, dropped, err := l.reader.Read(ctx, Window{Workload: j.window.Workload, From: part.From, To: part.To})
		if err != nil {
			return fmt.Errorf("history from %s to %s: %w", part.From.UTC().Format(time.RFC3339), part.To.UTC().Format(time.RFC3339), err)
		}
		for _, s := range samples {
			if j.add(s) {
				j.samples++
			}
		}
		j.next = part.To
		l.log.V(1).Info("Read a piece of history", "vpa", vpa, "until", part.To, "samples", len(samples), "dropped", dropped)
	}
}

// add folds a sample in. A container's rules hold from its first sample on.
func (j *job) add(s usage.Sample) bool {
	if j.window.Rules != nil && j.usage.Aggregate(s.Container.Name) == nil {
		j.usage.SetRules(s.Container.Name, j.window.Rules(s.Container.Name))
	}
	return j.usage.Add(s)
}
