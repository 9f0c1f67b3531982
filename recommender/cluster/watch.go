package cluster

import (
	"context"
	"sync"
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

func delays() wait.DelayFunc {
	return wait.Backoff{Duration: firstDelay, Cap: maxDelay, Steps: 6, Factor: 2, Jitter: 1}.DelayFunc()
}

// watch keeps the mirror of one kind of object.
type watch struct {
	// kind and remedy are for the log: what is watched, and what to do when it cannot be.
	kind, remedy string
	lister       toolscache.ListerWatcher
	example      runtime.Object
	store        toolscache.TransformingStore
	// filled is closed once the store has everything.
	filled <-chan struct{}
	// failed is closed once an attempt to fill it has failed; nil where that is to be waited out.
	failed chan struct{}
	once   sync.Once
	// log and failing are used by run's goroutine only, in which the reflector fills the store, too.
	log     logr.Logger
	failing bool
}

func newWatch[O, T client.Object](kind string, lister toolscache.ListerWatcher, example O, f *feed[O, T]) *watch {
	w := &watch{kind: kind, lister: lister, example: example, store: f, filled: f.filled}
	f.replaced = w.works
	return w
}

// needed makes a watch be waited for.
func (w *watch) needed(remedy string) *watch {
	w.remedy = remedy
	return w
}

// optional makes a watch be waited for until it fails.
func (w *watch) optional(remedy string) *watch {
	w.remedy, w.failed = remedy, make(chan struct{})
	return w
}

// settled waits until nothing more is to be waited for, or ctx ends: false.
func (w *watch) settled(ctx context.Context) bool { return closed(ctx, w.filled, w.failed) }

// run watches until ctx ends, whatever fails.
func (w *watch) run(ctx context.Context, log logr.Logger) {
	w.log = log
	// We say once what the reflector would say at each attempt.
	ctx = logr.NewContext(ctx, log.V(1))
	reflector := toolscache.NewReflectorWithOptions(w.lister, w.example, w.store, toolscache.ReflectorOptions{Name: w.kind})
	delay := delays()
	for ctx.Err() == nil {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx)
		w.report(err)
		if time.Since(began) > goodTime {
			delay = delays()
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay()):
		}
	}
}

// report tells once when watching fails. Without an error it worked, and ended.
func (w *watch) report(err error) {
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
func (w *watch) works() {
	if w.failing {
		w.log.Info("Could watch again", "kind", w.kind)
	}
	w.failing = false
}
