package loop

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// publish estimates for the named VPAs and writes what has changed. One VPA's trouble stays its own.
func (l *Loop) publish(ctx context.Context, names []types.NamespacedName) {
	for _, name := range names {
		if ctx.Err() != nil {
			return
		}
		if err := l.publishOne(ctx, name); err != nil {
			l.log.Error(err, "VPA not published in this round", "vpa", name)
		}
	}
}

func (l *Loop) publishOne(ctx context.Context, name types.NamespacedName) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	t := l.vpas[name]
	if t == nil {
		return nil
	}
	status := l.status(name, t)
	if equality.Semantic.DeepEqual(status, t.vpa.Status) {
		return nil
	}
	written, err := l.cluster.WriteStatus(ctx, t.vpa, status)
	if err != nil {
		return err
	}
	t.vpa = written
	l.log.V(1).Info("Published", "vpa", name)
	return nil
}

// status is what is to be published, as close to what is there as the decision allows.
func (l *Loop) status(name types.NamespacedName, t *tracked) vpav1.VerticalPodAutoscalerStatus {
	status := vpav1.VerticalPodAutoscalerStatus{ObservedGeneration: &t.vpa.Generation}
	if t.targetErr != nil {
		status.Recommendation = t.vpa.Status.Recommendation
		status.Conditions = l.conditions(t, verdict{})
		return status
	}
	proposals, in := l.propose(name, t)
	v := verdict{proposals: proposals, inheritance: in}
	for _, container := range slices.Sorted(maps.Keys(proposals)) {
		if r, ok := l.decide(t, container, proposals[container], &v); ok {
			v.recommendations = append(v.recommendations, r)
		}
	}
	if len(v.recommendations) > 0 {
		status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: v.recommendations}
	}
	status.Conditions = l.conditions(t, v)
	return status
}

// decide applies the container's policy to a proposal and notes in v how it came about; false if nothing is
// recommended for the container.
func (l *Loop) decide(t *tracked, container string, p proposal, v *verdict) (vpav1.RecommendedContainerResources, bool) {
	rules := t.policy(container)
	rec := vpav1.RecommendedContainerResources{
		ContainerName: container,
		Target:        corev1.ResourceList{}, LowerBound: corev1.ResourceList{}, UpperBound: corev1.ResourceList{}, UncappedTarget: corev1.ResourceList{},
	}
	var bounded []resourceBound
	for _, r := range usage.Resources {
		name := corev1.ResourceName(r.String())
		e := p.values[r]
		if !e.Known || !rules.Controls(name) {
			continue
		}
		uncapped := quantity(r, e.Target)
		target, bound := rules.Cap(name, uncapped)
		rec.UncappedTarget[name], rec.Target[name] = uncapped, target
		rec.LowerBound[name], _ = rules.Cap(name, quantity(r, e.LowerBound))
		rec.UpperBound[name], _ = rules.Cap(name, quantity(r, e.UpperBound))
		bounded = append(bounded, resourceBound{r, e, bound})
	}
	if len(bounded) == 0 {
		return rec, false
	}
	settle(&rec, published(t.vpa, container), rules)
	v.traces = append(v.traces, l.trace(t, rec, p, bounded))
	v.note(container, rec, p, rules, bounded)
	return rec, true
}

// resourceBound is an estimate and which bound of the policy moved its target.
type resourceBound struct {
	resource usage.Resource
	estimate estimate.Estimate
	bound    policy.Bound
}

// quantity writes an amount as the API does.
func quantity(r usage.Resource, a usage.Amount) resource.Quantity {
	if r == usage.CPU {
		return *resource.NewMilliQuantity(int64(a), resource.DecimalSI)
	}
	return *resource.NewQuantity(int64(a), resource.BinarySI)
}

func published(vpa *vpav1.VerticalPodAutoscaler, container string) *vpav1.RecommendedContainerResources {
	if vpa.Status.Recommendation == nil {
		return nil
	}
	for i := range vpa.Status.Recommendation.ContainerRecommendations {
		if r := &vpa.Status.Recommendation.ContainerRecommendations[i]; r.ContainerName == container {
			return r
		}
	}
	return nil
}

// tolerance is by how much a value must differ from the published one to be worth a write.
const tolerance = 0.01

// settle keeps published values that are as good as the new ones, so that bounds that creep with every
// sample are not written every minute. A value that the policy no longer allows is not kept.
func settle(rec, published *vpav1.RecommendedContainerResources, rules policy.Container) {
	if published == nil {
		return
	}
	keep := func(values, before corev1.ResourceList, allowed func(corev1.ResourceName, resource.Quantity) bool) {
		for name, q := range values {
			if old, ok := before[name]; ok && near(q, old) && allowed(name, old) {
				values[name] = old
			}
		}
	}
	within := func(name corev1.ResourceName, q resource.Quantity) bool {
		_, bound := rules.Cap(name, q)
		return bound == ""
	}
	keep(rec.Target, published.Target, within)
	keep(rec.LowerBound, published.LowerBound, within)
	keep(rec.UpperBound, published.UpperBound, within)
	keep(rec.UncappedTarget, published.UncappedTarget, func(corev1.ResourceName, resource.Quantity) bool { return true })
}

func near(a, b resource.Quantity) bool {
	x, y := a.AsApproximateFloat64(), b.AsApproximateFloat64()
	return x >= y*(1-tolerance) && x <= y*(1+tolerance)
}
