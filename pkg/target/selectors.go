package target

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/workqueue"
)

const (
	// selectorAge is how long a selector goes unread that nothing speaks against, and up to a fifth more, so that those of
	// one start are not all read at one time again. Most of Kubernetes' own kinds never change theirs.
	selectorAge = 10 * time.Minute
	// selectorPause is how long what was read last, or the failure, holds for all pods: 10 000 that do not match cost a
	// read in that time, and one that came with another selector is not kept waiting for long.
	selectorPause = 2 * time.Second
	// selectorWait is how long a pod waits for a read. It may have waited for its owner's, and both together are
	// less than the two seconds that the API server gives the webhook.
	selectorWait = readTimeout / 2
	// selectorReads is how many reads begin in a second, and selectorWorkers how many are under way, but for those that
	// pods wait for: 2 000 targets are read in a bit more than a minute, and then four in a second.
	selectorReads   = 30
	selectorWorkers = 4
	// A read that failed is tried again after selectorPause, then twice that and so on, up to lastRetry: a VPA may wait for
	// its target for days.
	lastRetry = 5 * time.Minute
)

// SelectorReader reads from the API server; Workloads does.
type SelectorReader interface {
	// Selector returns the selector of a workload's pods, which is never nil without an error.
	Selector(context.Context, Controller) (labels.Selector, error)
}

// Selectors knows the label selectors of those workloads that it is asked to know. It reads them one by one, in the
// background, when they are asked for and then every ten minutes, so that what is decided for pods rarely waits for a
// read. It is safe for concurrent use.
type Selectors struct {
	reader SelectorReader
	log    logr.Logger
	pace   *rate.Limiter
	queue  workqueue.TypedRateLimitingInterface[Controller]
	reads  flights
	// The figures since the start, see Figures.
	read, failed, unknown atomic.Uint64

	mu    sync.Mutex
	known map[Controller]*Selection
	// broken are those of known that the API server refuses to tell.
	broken map[*Selection]bool
}

// NewSelectors returns Selectors that know none, and read by reader once they run.
func NewSelectors(reader SelectorReader, log logr.Logger) *Selectors {
	return &Selectors{
		reader: reader, log: log, pace: rate.NewLimiter(selectorReads, selectorReads),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[Controller](selectorPause, lastRetry)),
		known: map[Controller]*Selection{}, broken: map[*Selection]bool{},
	}
}

// Of returns the selection of a workload, which is known from now on until Forget.
func (s *Selectors) Of(c Controller) *Selection {
	s.mu.Lock()
	defer s.mu.Unlock()
	selection, ok := s.known[c]
	if !ok {
		selection = &Selection{of: c, among: s}
		s.known[c] = selection
		s.queue.Add(c)
	}
	return selection
}

// Forget ends the keeping of a workload's selection.
func (s *Selectors) Forget(c Controller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mend(s.known[c])
	delete(s.known, c)
}

func (s *Selectors) find(c Controller) *Selection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[c]
}

// Run reads until ctx ends.
func (s *Selectors) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, s.queue.ShutDown)()
	var workers sync.WaitGroup
	for range selectorWorkers {
		workers.Go(func() {
			for s.next(ctx) {
			}
		})
	}
	workers.Wait()
}

// next reads what is due next; false if there is no next.
func (s *Selectors) next(ctx context.Context) bool {
	c, over := s.queue.Get()
	if over {
		return false
	}
	defer s.queue.Done(c)
	selection := s.find(c)
	if selection == nil {
		s.queue.Forget(c)
		return true
	}
	// A pod may have been here first.
	if last := selection.last.Load(); last != nil && last.err == nil && time.Since(last.at) < selectorAge {
		s.again(c, selectorAge-time.Since(last.at))
		return true
	}
	if s.pace.Wait(ctx) != nil {
		return false
	}
	if now, err := selection.read(ctx); err != nil || now.err != nil {
		s.queue.AddRateLimited(c)
		return true
	}
	s.again(c, selectorAge)
	return true
}

// again lets c be read after a time, and up to a fifth of selectorAge more.
func (s *Selectors) again(c Controller, after time.Duration) {
	s.queue.Forget(c)
	s.queue.AddAfter(c, after+rand.N(selectorAge/5))
}

// tell counts a read, and logs where it is the first to fail, or the last that failed and does no more.
func (s *Selectors) tell(selection *Selection, err error) {
	s.read.Add(1)
	if err != nil {
		s.failed.Add(1)
		s.log.V(1).Info("a workload's label selector is not known", "target", selection.of.String(), "problem", err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || awaited(err) || s.known[selection.of] != selection {
		s.mend(selection)
		return
	}
	if len(s.broken) == 0 {
		s.log.Info("Cannot read label selectors, trying again; until then VPAs patch all pods that their targets control",
			"target", selection.of.String(), "reason", err.Error(), "remedy", "allow to get */scale, daemonsets, jobs and cronjobs")
	}
	s.broken[selection] = true
}

// mend notes that a selection is not broken, or not asked for any more. The caller holds the lock.
func (s *Selectors) mend(selection *Selection) {
	if !s.broken[selection] {
		return
	}
	if delete(s.broken, selection); len(s.broken) == 0 {
		s.log.Info("Could read all label selectors again")
	}
}

// Figures tell how well selectors are known.
type Figures struct {
	// Known and Unknown are how many workloads' selectors are, of those that are to be.
	Known, Unknown int
	// Read is how often one was read since the start, and Failed how often without success.
	Read, Failed uint64
	// Pods is how many pods were taken for selected since the start because nobody could tell.
	Pods uint64
}

// Figures returns those of now.
func (s *Selectors) Figures() Figures {
	f := Figures{Read: s.read.Load(), Failed: s.failed.Load(), Pods: s.unknown.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, selection := range s.known {
		if last := selection.last.Load(); last != nil && last.selector != nil {
			f.Known++
		} else {
			f.Unknown++
		}
	}
	return f
}
