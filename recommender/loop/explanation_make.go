package loop

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Explain asks the running loop how a VPA's recommendation comes about. It may be called by any goroutine, and waits
// for the loop, which takes a round at most. A VPA that the loop does not work on is an UnknownVPAError.
func (l *Loop) Explain(ctx context.Context, name types.NamespacedName) (e *Explanation, err error) {
	if unanswered := l.do(ctx, func() { e, err = l.explain(name) }); unanswered != nil {
		return nil, unanswered
	}
	return e, err
}

// ExplainOnce takes up what the cluster has, without live metrics or history, and explains one VPA from that: from its
// checkpoints, its pods and its policy. It is for a Loop that is not started. A VPA that it does not work on is an
// UnknownVPAError.
func (l *Loop) ExplainOnce(ctx context.Context, name types.NamespacedName) (*Explanation, error) {
	l.match(ctx)
	l.track(ctx)
	for _, t := range l.vpas {
		// Nothing more is going to be seen: what is known is explained, and nothing held until more is.
		t.restored, t.holdUntil, t.since = false, time.Time{}, l.now()
		if !t.checkpointed {
			t.covered.From = t.since
		}
	}
	return l.explainAs(name, false)
}

// states are the names of pastStates.
var states = [...]string{none: "none", reading: "reading", failing: "failing", loaded: "loaded"}

func (l *Loop) explain(name types.NamespacedName) (*Explanation, error) {
	return l.explainAs(name, true)
}

func (l *Loop) explainAs(name types.NamespacedName, live bool) (*Explanation, error) {
	t := l.vpas[name]
	if t == nil {
		return nil, &UnknownVPAError{VPA: name, Exists: l.cluster.Exists(name)}
	}
	if _, err := t.undecidable(); err != nil {
		return nil, fmt.Errorf("VPA %s: %w", name, err)
	}
	d, outcomes := l.weigh(t, nil)
	e := &Explanation{
		At: l.now().UTC(), Live: live,
		Namespace: name.Namespace, VPA: name.Name, Target: t.group.target.String(), UpdateMode: string(target.UpdateMode(t.vpa)), Pods: len(t.group.pods),
		History: HistoryExplanation{
			State: states[t.past.state], Error: t.past.reason, Missing: t.past.progress.Missing, Samples: t.past.progress.Samples,
			Resolution: t.past.progress.Resolution.Minutes(), First: t.past.progress.First.UTC(), Covered: t.past.progress.Covered, Checkpoints: t.checkpointed, LastCheckpoint: t.covered.To.UTC(),
			Since: t.since.UTC(), CoveredFrom: t.covered.From.UTC(),
		},
		HPAs: d.conflicts, Containers: []ContainerExplanation{}, Conditions: slices.Clone(t.vpa.Status.Conditions),
	}
	if d.inheritance != noInheritance {
		in := d.inheritance.Value()
		e.Inheritance = &InheritanceExplanation{Primary: in.primary, Mode: string(in.mode), Containers: in.pairs, Reason: in.missing, Invalid: in.invalid}
	}
	x := explainer{loop: l, t: t, next: l.projected(t, &d, outcomes), live: live}
	for _, name := range t.explained() {
		e.Containers = append(e.Containers, x.container(name, outcomes))
	}
	return e, nil
}

// explained are the containers that are recommended for, and those that something is published for.
func (t *tracked) explained() []string {
	names := map[string]bool{}
	for i := range t.containers {
		names[t.containers[i].name] = true
	}
	for i := range t.published {
		names[t.published[i].name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// explainer explains the containers of one VPA.
type explainer struct {
	loop *Loop
	t    *tracked
	next *projected
	live bool
}

func (x *explainer) container(name string, outcomes []outcome) ContainerExplanation {
	e := ContainerExplanation{Name: name}
	o := &outcome{name: name}
	for i := range outcomes {
		if outcomes[i].name == name {
			o = &outcomes[i]
			e.Source, e.InheritedFrom, e.Held = x.source(o.origin), o.origin.from, o.held
		}
	}
	// bare is the percentile alone.
	var own, bare estimate.Recommendation
	a := x.t.usage.Aggregate(name)
	if x.t.partial != nil {
		a = x.t.usage.With(x.t.partial, name)
	}
	if a != nil && !a.Empty() {
		e.FirstSample, e.LastSample, e.Samples, e.Confidence = a.First().UTC(), a.Last().UTC(), a.Samples(), estimate.Confidence(a, day)
		own = estimate.Recommend(a, x.t.minimum, x.loop.options.Estimate)
		without := x.loop.options.Estimate
		without.Margin = 0
		bare = estimate.Recommend(a, [2]usage.Amount{}, without)
	}
	limits := x.next.limits(name)
	for _, r := range usage.Resources {
		one := x.steps(o, r)
		if own[r].Known {
			one.Usage, one.Own = amount(r, bare[r].Target), amount(r, own[r].Target)
		}
		if o.values[r].known {
			one.Warnings = x.next.warnings(name, r)
			if limits[r].IsSet() {
				limit := limits[r].Quantity(r)
				one.Limit = &limit
			}
		} else {
			one.Missing = x.missing(name, r, own[r].Known)
		}
		e.Resources = append(e.Resources, one)
	}
	return e
}

// source is where values come from. What a checkpoint holds may have come from Prometheus, once.
func (x *explainer) source(o origin) string {
	if x.live {
		return o.String()
	}
	return strings.Replace(o.String(), " of live metrics and checkpoints", " in checkpoints", 1)
}

// steps are those that lead to a value of the outcome.
func (x *explainer) steps(o *outcome, r usage.Resource) ResourceExplanation {
	options, name, v := &x.loop.options, corev1.ResourceName(r.String()), &o.values[r]
	rules := policy.ForContainer(x.t.vpa.Spec.ResourcePolicy, o.name)
	e := ResourceExplanation{
		Resource: r.String(), Percentile: options.Estimate.Percentiles[r].Target, Margin: options.Estimate.Margin, Basis: x.loop.basis(x.t, o.name, r),
		Minimum: quantity(r, x.t.minimum[r]), MinAllowed: in(rules.Min, name), MaxAllowed: in(rules.Max, name),
	}
	if e.MaxAllowed == nil {
		e.MaxAllowed = in(options.Policy.Global.MaxAllowed, name)
	}
	if v.known {
		e.Uncapped, e.Target = amount(r, v.uncapped), amount(r, v.target)
		e.LowerBound, e.UpperBound = amount(r, v.lower), amount(r, v.upper)
	}
	switch v.bound {
	case minAllowed:
		e.Bound = "minAllowed"
	case maxAllowed, globalMaxAllowed:
		e.Bound = maximumOf[v.bound]
	case declaredRequest:
		e.Bound = "the declared request"
	case legal:
		e.Bound = "LimitRanges and the pod's own resources"
	case unbounded:
	}
	if p := x.t.publishedOf(o.name); p != nil && p.values[r].known {
		e.Published = amount(r, p.values[r].target)
	}
	return e
}

// missing says why nothing is recommended for a container's resource.
func (x *explainer) missing(container string, r usage.Resource, measured bool) string {
	rules := policy.ForContainer(x.t.vpa.Spec.ResourcePolicy, container)
	switch {
	case !x.t.recommends(container):
		return "no pod has this container any more"
	case rules.Off:
		return "spec.resourcePolicy has mode Off for it"
	case !rules.Controls(corev1.ResourceName(r.String())):
		return "spec.resourcePolicy leaves it out of controlledResources"
	case x.loop.options.SkipHPAConflicts && scales(x.loop.conflicting(x.t), r):
		return "an HPA scales on it, and --hpa-conflict=skip leaves it to that"
	case x.t.past.pending():
		return "history is being read; nothing is published before"
	case measured:
		return "what is inherited or held has no value for it"
	case !x.live:
		return "no checkpoint has usage of it yet"
	}
	return "no usage of it has been measured yet"
}

func amount(r usage.Resource, a usage.Amount) *resource.Quantity {
	q := quantity(r, a)
	return &q
}

// in is the list's quantity of that name, nil if there is none.
func in(list corev1.ResourceList, name corev1.ResourceName) *resource.Quantity {
	q, ok := list[name]
	if !ok {
		return nil
	}
	return &q
}
