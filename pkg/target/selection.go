package target

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Selection is which pods a workload selects, as far as that is known.
type Selection struct {
	of    Controller
	among *Selectors
	last  atomic.Pointer[reading] // nil: nothing was read yet
}

// Selects reports whether the workload's selector matches a pod with these labels, that it controls. What cannot be known
// within half a second counts as a match: a pod must not lose its resources for a read that failed.
//
// Old news suffice for a yes, and not for a no: the selector may have been changed, and the workload made anew, an instant
// before the pod. So whoever does not match makes the selector be read again, if that was not done just now.
func (s *Selection) Selects(ctx context.Context, pod labels.Labels) bool {
	last := s.last.Load()
	if last.selects(pod) {
		return true
	}
	if last.due() {
		ctx, cancel := context.WithTimeout(ctx, selectorWait)
		defer cancel()
		now, err := s.read(ctx)
		if err != nil {
			s.among.unknown.Add(1)
			return true
		}
		if last = now; last.selects(pod) {
			return true
		}
	}
	if last.err != nil {
		s.among.unknown.Add(1)
		return true
	}
	return false
}

// reading is what a read came to. It is never changed.
type reading struct {
	// selector is that of the last read that succeeded; nil if none did.
	selector labels.Selector
	// err is why this one did not.
	err error
	at  time.Time
}

// selects reports whether the selector that was read last matches.
func (r *reading) selects(pod labels.Labels) bool {
	return r != nil && r.selector != nil && r.selector.Matches(pod)
}

// due reports whether the selector may be read again.
func (r *reading) due() bool { return r == nil || time.Since(r.at) >= selectorPause }

// read reads the selector, together with all others who want to, and not within selectorPause of the last read. An error
// means that ctx was over first.
func (s *Selection) read(ctx context.Context) (*reading, error) {
	read, err := s.among.reads.do(ctx, s.of.Group+"/"+s.of.String(), func(ctx context.Context) (any, error) {
		// Another read may have ended since it was found that one is due.
		if last := s.last.Load(); !last.due() {
			return last, nil
		}
		return s.ask(ctx), nil
	})
	if err != nil {
		return nil, err
	}
	return read.(*reading), nil
}

// ask reads the selector.
func (s *Selection) ask(ctx context.Context) *reading {
	selector, err := s.among.reader.Selector(ctx, s.of)
	now := &reading{selector: selector, err: err, at: time.Now()}
	if before := s.last.Load(); err != nil && before != nil {
		now.selector = before.selector
	}
	s.last.Store(now)
	s.among.tell(s, err)
	return now
}
