// Package loop is the recommender: it gathers what is there, folds in what was used, estimates what is needed,
// and publishes it. One goroutine owns all state.
package loop

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

// Cluster is where VPAs, pods and checkpoints come from, and where statuses and checkpoints go.
type Cluster interface {
	VPAs(context.Context) ([]*vpav1.VerticalPodAutoscaler, error)
	PodChanges(context.Context) (cluster.Changes, error)
	// PodsSignal gets a value when containers were killed for memory.
	PodsSignal() <-chan struct{}
	HPAs(target.Controller) []cluster.HPA
	// LimitRanges are those of a namespace that move requests; nil if none do.
	LimitRanges(namespace string) *policy.Ranges
	Changed() <-chan struct{}
	Checkpoints(context.Context, func(*vpav1.VerticalPodAutoscalerCheckpoint)) error
	// Exists reports whether there is a VPA of this name, whoever recommends for it.
	Exists(types.NamespacedName) bool
	// Owns reports whether this replica may write now for a VPA of VPAs.
	Owns(*vpav1.VerticalPodAutoscaler) bool

	Writer
}

// Writer is what may be called by several goroutines at once.
type Writer interface {
	WriteStatus(context.Context, *vpav1.VerticalPodAutoscaler, vpav1.VerticalPodAutoscalerStatus) (*vpav1.VerticalPodAutoscaler, error)
	WriteCheckpoint(context.Context, *vpav1.VerticalPodAutoscalerCheckpoint) error
	DeleteCheckpoint(context.Context, types.NamespacedName) error
	Event(vpa *vpav1.VerticalPodAutoscaler, kind, reason, message string)
}

// Metrics is where live samples come from.
type Metrics interface {
	Each(context.Context, func(usage.Sample)) (podmetrics.Round, error)
}

// History reads the past in the background.
type History interface {
	Want(types.NamespacedName, history.Window)
	WantRecent(types.NamespacedName, history.Window)
	Forget(types.NamespacedName)
	Answers() <-chan history.Answer
}

// Options say how the loop works.
type Options struct {
	// Interval is how often live metrics are read and everything is estimated anew.
	Interval time.Duration
	// HistoryLength is how much of the past is read for each VPA.
	HistoryLength time.Duration
	// ForgetAfter is how long a container is remembered that no pod has any more.
	ForgetAfter time.Duration
	// CheckpointInterval is the least time between two checkpoints of a container; 0: none are read or written.
	CheckpointInterval time.Duration
	// CollectInterval is how often checkpoints without a VPA are deleted; 0: never.
	CollectInterval time.Duration
	// WriteTimeout bounds a batch of writes, so that an API server that hangs stops no round for long.
	WriteTimeout time.Duration
	// Workers is how many writes run at once.
	Workers int
	// CandidateSuffix ends the names of VPAs of release candidates; empty: they inherit by annotation alone.
	CandidateSuffix string
	// SkipHPAConflicts leaves out a resource that an HPA scales the same workload on.
	SkipHPAConflicts bool

	Aggregate aggregate.Options
	Estimate  estimate.Options
	Policy    Policy
	Limits    policy.LimitPolicy
	// FloorRequests says that the webhook keeps requests at or above the declared ones, where a VPA does not say otherwise.
	FloorRequests bool
	// PerVPAConfig lets VPAs say how usage of their containers is learnt (upstream's feature gate).
	PerVPAConfig bool
}

// cluster is what the webhook is told of all VPAs, as far as it lasts: a startup boost does not.
func (o *Options) cluster() policy.Cluster {
	return policy.Cluster{Limits: o.Limits, FloorRequests: o.FloorRequests}
}

// Policy is what holds for all containers of the cluster.
type Policy struct {
	Global   policy.Global
	Rounding policy.Rounding
	// IntegerCPU lets VPAs ask for whole CPUs by annotation.
	IntegerCPU bool
	Minimum    policy.ContainerMinimum
}

// Loop is the recommender's state and its work on it.
type Loop struct {
	options Options
	cluster Cluster
	metrics Metrics
	history History // nil if there is none
	now     func() time.Time
	log     logr.Logger
	meter   *Meter

	vpas map[types.NamespacedName]*tracked
	// names are vpas' keys, sorted; nil when they have to be sorted anew.
	names []types.NamespacedName
	// heirs are the VPAs that inherit from a VPA, sorted by name.
	heirs map[types.NamespacedName][]types.NamespacedName
	// groups are the pods of each controller, pods where each pod is.
	groups map[target.Controller]*group
	pods   map[types.NamespacedName]placed
	// unreadable is since when checkpoints cannot be read; zero if they can.
	unreadable time.Time
	// collected is when checkpoints without a VPA were deleted last.
	collected time.Time
	// heard is when the newest live sample was measured; without is set while that is too long ago, and replaced is when
	// history was asked last for what live metrics do not bring.
	heard, replaced time.Time
	without         bool
	// liveTrouble is why the last answer of live metrics failed; empty if it did not.
	liveTrouble string
	// scratch and outcomes are used again by each review.
	scratch  []proposal
	outcomes []outcome
	backlog  backlog
	// requests are to be done by the loop's goroutine.
	requests chan func()

	// started is when the first round began and finished when the last one ended, in seconds since 1970; 0: not yet.
	started, finished atomic.Int64
}

// New returns a Loop; h may be nil.
func New(o Options, c Cluster, m Metrics, h History, meter *Meter, now func() time.Time, log logr.Logger) *Loop {
	return &Loop{
		options: o, cluster: c, metrics: m, history: h, meter: meter, now: now, log: log,
		vpas: map[types.NamespacedName]*tracked{}, heirs: map[types.NamespacedName][]types.NamespacedName{},
		groups: map[target.Controller]*group{}, pods: map[types.NamespacedName]placed{},
		requests: make(chan func()),
	}
}

// Start works until ctx ends, and then saves what is unsaved.
func (l *Loop) Start(ctx context.Context) error {
	l.started.Store(l.now().Unix())
	ticker := time.NewTicker(l.options.Interval)
	defer ticker.Stop()
	var answers <-chan history.Answer
	if l.history != nil {
		answers = l.history.Answers()
	}
	l.tick(ctx)
	for {
		more := l.ready()
		select {
		case <-ctx.Done():
			return l.stop(ctx)
		case <-ticker.C:
			l.tick(ctx)
		case <-l.cluster.Changed():
			l.catchUp(ctx)
		case <-l.cluster.PodsSignal():
			l.review(l.match(ctx))
		case answer := <-answers:
			l.review(l.learn(answer))
		case request := <-l.requests:
			request()
		case <-more:
			l.write(ctx)
		}
	}
}

// tick is one round over everything. What it decides is written by and by.
func (l *Loop) tick(ctx context.Context) {
	defer l.meter.step("total")()
	l.part("LoadPods", func() { l.match(ctx) })
	l.part("LoadVPAs", func() { l.track(ctx) })
	l.part("LoadMetrics", func() { l.fold(ctx) })
	l.part("UpdateVPAs", func() { l.review(l.all()) })
	l.part("MaintainCheckpoints", func() { l.checkpoint(ctx) })
	l.meter.state(l)
	l.finished.Store(l.now().Unix())
}

// part runs a part of a round and measures it. Its name is upstream's.
func (l *Loop) part(name string, work func()) {
	defer l.meter.step(name)()
	work()
}

// catchUp takes care of VPAs that were created or changed, without waiting for the next round.
func (l *Loop) catchUp(ctx context.Context) {
	l.match(ctx)
	l.review(l.track(ctx))
}

// do has the loop's goroutine call f, between everything else, and waits for it. f is not called if ctx ends before.
func (l *Loop) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case l.requests <- func() { defer close(done); f() }:
		<-done
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the recommender did not answer in time, or does not work now: %w", ctx.Err())
	}
}

// Yield saves what is unsaved of the VPAs that another replica is to have. What happens to them between now and the
// time at which Owns says no is lost.
func (l *Loop) Yield(ctx context.Context, theirs func(*vpav1.VerticalPodAutoscaler) bool) error {
	return l.do(ctx, func() {
		l.save(func(t *tracked) bool { return theirs(t.vpa) })
		for len(l.backlog.checkpoints) > 0 && ctx.Err() == nil {
			l.write(ctx)
		}
	})
}

// Healthy returns an error when no round has ended for five intervals.
func (l *Loop) Healthy() error {
	last := max(l.started.Load(), l.finished.Load())
	if last == 0 {
		return nil // not the leader
	}
	if age := l.now().Sub(time.Unix(last, 0)); age > 5*l.options.Interval+time.Minute {
		return fmt.Errorf("no round has ended for %s", age.Round(time.Second))
	}
	return nil
}
