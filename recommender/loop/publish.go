package loop

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// review decides for the named VPAs, and queues the status of each whose decision has changed. One VPA's trouble
// stays its own.
func (l *Loop) review(names []types.NamespacedName) {
	for _, name := range names {
		if t := l.vpas[name]; t != nil {
			if err := l.reviewOne(t); err != nil {
				l.meter.panics.Inc()
				l.log.Error(err, "VPA left as it is in this round", "vpa", name)
			}
		}
	}
}

func (l *Loop) reviewOne(t *tracked) (err error) {
	defer recovered(&err)
	d, outcomes := decided{generation: t.vpa.Generation}, t.published
	if _, err := t.undecidable(); err == nil {
		d, outcomes = l.weigh(t, l.outcomes[:0])
		l.outcomes = outcomes
	}
	unchanged := t.decided != nil && *t.decided == d && slices.Equal(t.published, outcomes)
	if unchanged || (t.decided == nil && t.resumes() && t.asPublished(outcomes)) {
		t.forget()
		return nil
	}
	l.backlog.status(t, statusJob{decided: d, outcomes: slices.Clone(outcomes)})
	return nil
}

// quietGap is the longest time without a recommender that no status speaks of.
const quietGap = time.Hour

// resumes reports whether this process goes on where an earlier one stopped a short while ago, and has not yet seen
// again what was missed. A restart is no news: as long as the values stay, the words do.
func (t *tracked) resumes() bool {
	generation := t.vpa.Status.ObservedGeneration
	return t.checkpointed && t.holdUntil.Sub(t.since) < quietGap && generation != nil && *generation == t.vpa.Generation &&
		(!t.past.pending() || (t.past.state == reading && t.past.resumed))
}

// asPublished reports whether all outcomes are held, and as they are published.
func (t *tracked) asPublished(outcomes []outcome) bool {
	if len(outcomes) != len(t.published) {
		return false
	}
	for i := range outcomes {
		was := t.publishedOf(outcomes[i].name)
		if was == nil || !outcomes[i].held {
			return false
		}
		for r := range outcomes[i].values {
			a, b := &outcomes[i].values[r], &was.values[r]
			if a.known != b.known || a.target != b.target || a.lower != b.lower || a.upper != b.upper {
				return false
			}
		}
	}
	return true
}

// held reports whether all outcomes are what was published before.
func held(outcomes []outcome) bool {
	return !slices.ContainsFunc(outcomes, func(o outcome) bool { return !o.held })
}

// recovered turns a panic into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
	}
}

// renderSafely is render; one VPA's panic stays its own.
func (l *Loop) renderSafely(t *tracked, job *statusJob) (status vpav1.VerticalPodAutoscalerStatus, err error) {
	defer recovered(&err)
	return l.render(t, job.decided, job.outcomes), nil
}

func sameStatus(a, b *vpav1.VerticalPodAutoscalerStatus) bool {
	return equality.Semantic.DeepEqual(*a, *b)
}

// render writes a decision as the API does. It depends on nothing else, so that the status changes only with it.
func (l *Loop) render(t *tracked, d decided, outcomes []outcome) vpav1.VerticalPodAutoscalerStatus {
	status := vpav1.VerticalPodAutoscalerStatus{ObservedGeneration: &t.vpa.Generation}
	if _, err := t.undecidable(); err != nil {
		status.Recommendation = t.vpa.Status.Recommendation
		status.Conditions = l.conditions(t, d, nil)
		return status
	}
	recommendations := make([]vpav1.RecommendedContainerResources, 0, len(outcomes))
	for i := range outcomes {
		recommendations = append(recommendations, outcomes[i].recommendation())
	}
	if len(recommendations) > 0 {
		status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: recommendations}
	}
	status.Conditions = l.conditions(t, d, outcomes)
	return status
}

// recommendation is the outcome as the API writes it.
func (o *outcome) recommendation() vpav1.RecommendedContainerResources {
	rec := vpav1.RecommendedContainerResources{
		ContainerName: o.name,
		Target:        corev1.ResourceList{}, LowerBound: corev1.ResourceList{}, UpperBound: corev1.ResourceList{}, UncappedTarget: corev1.ResourceList{},
	}
	for _, r := range usage.Resources {
		v := &o.values[r]
		if !v.known {
			continue
		}
		name := corev1.ResourceName(r.String())
		rec.Target[name], rec.UncappedTarget[name] = quantity(r, v.target), quantity(r, v.uncapped)
		rec.LowerBound[name], rec.UpperBound[name] = quantity(r, v.lower), quantity(r, v.upper)
	}
	return rec
}

// quantity writes an amount as the API does.
func quantity(r usage.Resource, a usage.Amount) resource.Quantity {
	if r == usage.CPU {
		return *resource.NewMilliQuantity(int64(a), resource.DecimalSI)
	}
	return *resource.NewQuantity(int64(a), resource.BinarySI)
}
