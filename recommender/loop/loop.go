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
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// Cluster is where VPAs and pods come from, and where statuses go.
type Cluster interface {
	VPAs(context.Context) ([]*vpav1.VerticalPodAutoscaler, error)
	Pods(context.Context) ([]cluster.Pod, error)
	WriteStatus(context.Context, *vpav1.VerticalPodAutoscaler, vpav1.VerticalPodAutoscalerStatus) (*vpav1.VerticalPodAutoscaler, error)
	Changed() <-chan struct{}
}

// Metrics is where live samples come from.
type Metrics interface {
	Samples(context.Context) ([]usage.Sample, error)
}

// History reads the past in the background.
type History interface {
	Want(types.NamespacedName, history.Window)
	Forget(types.NamespacedName)
	Answers() <-chan history.Answer
}

// Options say how the loop works.
type Options struct {
	// Interval is how often live metrics are read and everything is estimated anew.
	Interval time.Duration
	// HistoryLength is how much of the past is read for each VPA.
	HistoryLength time.Duration
	// CandidateSuffix ends the names of VPAs of release candidates; empty: nobody inherits.
	CandidateSuffix string
	Aggregate       aggregate.Options
	Estimate        estimate.Options
	Limits          policy.LimitPolicy
}

// Loop is the recommender's state and its work on it.
type Loop struct {
	options Options
	cluster Cluster
	metrics Metrics
	history History // nil if there is none
	now     func() time.Time
	log     logr.Logger

	vpas map[types.NamespacedName]*tracked
	// finished is when the last tick ended, in seconds since 1970; 0 before the first.
	finished atomic.Int64
}

// New returns a Loop; h may be nil.
func New(o Options, c Cluster, m Metrics, h History, now func() time.Time, log logr.Logger) *Loop {
	return &Loop{options: o, cluster: c, metrics: m, history: h, now: now, log: log, vpas: map[types.NamespacedName]*tracked{}}
}

// Start works until ctx ends.
func (l *Loop) Start(ctx context.Context) error {
	ticker := time.NewTicker(l.options.Interval)
	defer ticker.Stop()
	var answers <-chan history.Answer
	if l.history != nil {
		answers = l.history.Answers()
	}
	l.tick(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			l.tick(ctx)
		case <-l.cluster.Changed():
			l.catchUp(ctx)
		case answer := <-answers:
			l.publish(ctx, l.learn(answer))
		}
	}
}

// tick is one round over everything.
func (l *Loop) tick(ctx context.Context) {
	l.track(ctx)
	l.match(ctx)
	l.fold(ctx)
	l.publish(ctx, l.all())
	l.finished.Store(l.now().Unix())
}

// catchUp publishes for VPAs that were created or changed, without waiting for the next tick.
func (l *Loop) catchUp(ctx context.Context) {
	due := l.track(ctx)
	if len(due) > 0 {
		l.match(ctx) // a new VPA has no pods yet
	}
	l.publish(ctx, due)
}

// Healthy returns an error when no tick has ended for five intervals.
func (l *Loop) Healthy() error {
	last := l.finished.Load()
	if last == 0 {
		return nil // not the leader, or still in the first tick
	}
	if age := l.now().Sub(time.Unix(last, 0)); age > 5*l.options.Interval+time.Minute {
		return fmt.Errorf("no round has ended for %s", age.Round(time.Second))
	}
	return nil
}

// fold adds live samples to every VPA whose target the pod belongs to. Samples from before a VPA was tracked
// are history's.
func (l *Loop) fold(ctx context.Context) {
	samples, err := l.metrics.Samples(ctx)
	if err != nil {
		l.log.Error(err, "Live metrics are missing in this round")
		return
	}
	byPod := map[types.NamespacedName][]*tracked{}
	for _, t := range l.vpas {
		for i := range t.pods {
			byPod[t.pods[i].Name] = append(byPod[t.pods[i].Name], t)
		}
	}
	counted, now := 0, l.now()
	for _, s := range samples {
		if s.Time.After(now) {
			s.Time = now // a clock that is ahead must not make a sample outweigh the past
		}
		for _, t := range byPod[types.NamespacedName{Namespace: s.Container.Namespace, Name: s.Container.Pod}] {
			if !s.Time.Before(t.since) && t.usage.Add(s) {
				counted++
			}
		}
	}
	l.log.V(1).Info("Folded live metrics", "read", len(samples), "counted", counted, "vpas", len(l.vpas))
}

// learn takes an answer of history and returns who is concerned.
func (l *Loop) learn(a history.Answer) []types.NamespacedName {
	t := l.vpas[a.VPA]
	if t == nil || a.Window.Workload != workloadOf(t.target) || !a.Window.To.Equal(t.since) {
		return nil // deleted or retargeted meanwhile
	}
	if a.Err != nil {
		t.past = past{state: failing, reason: a.Err.Error()}
		return l.withCandidates(a.VPA)
	}
	t.usage.AddHistory(a.Usage)
	t.past = past{state: loaded, samples: a.Samples}
	l.log.Info("History loaded", "vpa", a.VPA, "samples", a.Samples)
	return l.withCandidates(a.VPA)
}
