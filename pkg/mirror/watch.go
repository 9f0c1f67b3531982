// Package mirror keeps what the API server has of one kind of object, cut down to what is read of it, and says when that
// cannot be kept.
package mirror

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Watching begins again at once when it ends in good order. When it fails it is tried again soon,
// then every 30 to 60 seconds, as client-go does; what held for goodTime counts as good.
const (
	firstDelay = 800 * time.Millisecond
	maxDelay   = 30 * time.Second
	goodTime   = 2 * time.Minute
)

// Delays returns the pauses between attempts that fail.
func Delays() wait.DelayFunc {
	return wait.Backoff{Duration: firstDelay, Cap: maxDelay, Steps: 6, Factor: 2, Jitter: 1}.DelayFunc()
}

// Watch keeps the mirror of one kind of object.
type Watch struct {
	// kind and remedy are for the log: what is watched, and what to do when it cannot be.
	kind, remedy string
	lister       toolscache.ListerWatcher
	example      runtime.Object
	store        toolscache.TransformingStore
	// filled is closed once the store has everything.
	filled <-chan struct{}
	heard  *atomic.Int64
	// failed is closed once an attempt to fill it has failed; nil where that is to be waited out.
	failed chan struct{}
	once   sync.Once
	// log and failing are used by run's goroutine only, in which the reflector fills the store, too.
	log     logr.Logger
	failing bool
}

// NewWatch returns a Watch of objects like example that fills f. kind is their name in the plural, for the log.
func NewWatch[O, T client.Object](kind string, lister toolscache.ListerWatcher, example O, f *Feed[O, T]) *Watch {
	w := &Watch{kind: kind, lister: lister, example: example, store: f, filled: f.filled, heard: &f.heard}
	f.replaced = w.works
	return w
}

// Needed makes a watch be waited for. remedy says what to do when it fails.
func (w *Watch) Needed(remedy string) *Watch {
	w.remedy = remedy
	return w
}

// Optional makes a watch be waited for until it fails.
func (w *Watch) Optional(remedy string) *Watch {
	w.remedy, w.failed = remedy, make(chan struct{})
	return w
}

// Kind is what is watched, in the plural.
func (w *Watch) Kind() string { return w.kind }

// Filled is closed once everything has been read.
func (w *Watch) Filled() <-chan struct{} { return w.filled }

// Heard is when the API server was heard of last: while all is well some minute ago at most. It is zero for never.
func (w *Watch) Heard() time.Time {
	if at := w.heard.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Settled waits until nothing more is to be waited for, or ctx ends: false.
func (w *Watch) Settled(ctx context.Context) bool { return Closed(ctx, w.filled, w.failed) }

// Run watches until ctx ends, whatever fails.
func (w *Watch) Run(ctx context.Context, log logr.Logger) {
	w.log = log
	// We say once what the reflector would say at each attempt.
	ctx = logr.NewContext(ctx, log.V(1))
	reflector := toolscache.NewReflectorWithOptions(w.lister, w.example, w.store, toolscache.ReflectorOptions{Name: w.kind})
	delay := Delays()
	for ctx.Err() == nil {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx)
		w.report(err)
		if time.Since(began) > goodTime {
			delay = Delays()
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay()):
		}
	}
}

// report tells once when watching fails. Without an error it worked, and ended.
func (w *Watch) report(err error) {
	if err == nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) { // The next attempt begins from scratch.
		return
	}
	if !w.failing {
		w.log.Info("Cannot watch, trying again", "kind", w.kind, "reason", err.Error(), "remedy", w.remedy)
	}
	w.failing = true
	w.once.Do(func() {
		if w.failed != nil {
			close(w.failed)
		}
	})
}

// works tells once when watching works again.
func (w *Watch) works() {
	if w.failing {
		w.log.Info("Could watch again", "kind", w.kind)
	}
	w.failing = false
}

// Closed waits until one of the channels is closed, or ctx ends: false. It looks before it waits.
func Closed(ctx context.Context, one, other <-chan struct{}) bool {
	select {
	case <-one:
		return true
	case <-other:
		return true
	default:
	}
	select {
	case <-one:
		return true
	case <-other:
		return true
	case <-ctx.Done():
		return false
	}
}
