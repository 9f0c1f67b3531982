package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// Source is a server with the history of usage. Its methods may be called by several goroutines at once. Their
// errors are of one of these kinds: ErrTooLarge, ErrDenied, a BusyError, or any other, which may be gone the next
// time. Their texts are the same each time the same thing fails, because conditions show them.
type Source interface {
	// Prepare finds out what the server offers and whether it has any series of ours. Nothing else may be called
	// before it has succeeded once. It may be called again, to find out anew.
	Prepare(context.Context) error
	// Containers is how many containers run now, by namespace: those that the filters let through.
	Containers(context.Context) (map[string]int, error)
	// Owners is what the server knows of who owned the pods of these namespaces; nil if it does not know. Namespaces
	// are sorted, and there is at least one.
	Owners(ctx context.Context, namespaces []string, span Interval) (*owners.Links, error)
	// Read calls each once for every container that the query is for, sorted by namespace, pod and name, but only
	// when all was read without an error: what is half read is never seen. The Usage is valid during the call.
	Read(ctx context.Context, q Query, each func(Usage)) (Report, error)
}

// Query asks for usage of some pods during at most a day.
type Query struct {
	// Interval has whole minutes, and is at most a day.
	Interval
	// Namespaces are sorted; there is at least one.
	Namespaces []string
	// Pods is a regular expression (RE2, anchored at both ends) that the names of the pods match. Empty: all pods.
	Pods string
	// Wanted says which of these pods count. It is asked once for each pod, or series, and others cost nothing more.
	Wanted func(namespace, pod string) bool
	// PeakSpan is over which time the largest amounts of memory are wanted; see Usage.Memory. Whole minutes, at
	// least one, at most a day.
	PeakSpan time.Duration
}

// Usage is what one container used during a query's interval.
type Usage struct {
	Container usage.Container
	// CPU is the average of each minute of the interval, in millicores, rounded up as live metrics are; Unknown
	// where it is not known.
	CPU []int32
	// Memory is what it takes to know the largest memory between any two minutes that are at least a PeakSpan apart,
	// in the order of time, a minute at most once. It is the largest value of each of these minutes.
	Memory []Peak
}

// Unknown is in Usage.CPU where nothing is known.
const Unknown int32 = -1

// Peak is the largest memory of one minute.
type Peak struct {
	// Minute begins at this time.
	Minute time.Time
	Bytes  usage.Amount
}

// Report says how a query went.
type Report struct {
	// Resolution is how far apart averages of CPU are.
	Resolution time.Duration
	// Series and Samples are what the server sent.
	Series, Samples int
	// Dropped is what was sent and not used.
	Dropped Dropped
}

// ErrTooLarge says that the answer to a query is more than the server gives, or than this process takes. Ask for less.
var ErrTooLarge = errors.New("too much for one query")

// ErrDenied says that the server does not let us read (401, 403). Only a person can help.
var ErrDenied = errors.New("the server denies access: check its authentication, --prometheus-http-config or --prometheus-bearer-token-file")

// BusyError says that the server wants to be left alone for a while (429, 503 with Retry-After).
type BusyError struct {
	// After is for how long; 0 if it did not say.
	After time.Duration
	Err   error
}

func (e *BusyError) Error() string { return fmt.Sprintf("the server is busy: %v", e.Err) }

// Unwrap returns the reason.
func (e *BusyError) Unwrap() error { return e.Err }
