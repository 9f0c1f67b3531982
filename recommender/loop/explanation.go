package loop

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Explanation is how the recommendation of a VPA comes about, for people and for programs.
type Explanation struct {
	Namespace  string `json:"namespace"`
	VPA        string `json:"vpa"`
	Target     string `json:"target"`
	UpdateMode string `json:"updateMode"`
	// Pods is how many started pods the target has.
	Pods    int                `json:"pods"`
	History HistoryExplanation `json:"history"`
	// Inheritance is nil for a VPA that is no candidate.
	Inheritance *InheritanceExplanation `json:"inheritance,omitempty"`
	// HPAs are those that scale the target on CPU or memory.
	HPAs       string                                 `json:"hpas,omitempty"`
	Containers []ContainerExplanation                 `json:"containers"`
	Conditions []vpav1.VerticalPodAutoscalerCondition `json:"conditions,omitempty"`
}

// HistoryExplanation is how far the reading of Prometheus has come.
type HistoryExplanation struct {
	// State is one of none, reading, failing and loaded.
	State   string `json:"state"`
	Error   string `json:"error,omitempty"`
	Samples int    `json:"samples"`
	// Checkpoints is set when checkpoints were loaded.
	Checkpoints bool `json:"checkpoints"`
	// Since is when this process began to count live samples, CoveredFrom where what it knows begins.
	Since       time.Time `json:"since"`
	CoveredFrom time.Time `json:"coveredFrom"`
}

// InheritanceExplanation is from whom a candidate takes values, or why it does not.
type InheritanceExplanation struct {
	Primary    string `json:"primary,omitempty"`
	Mode       string `json:"mode,omitempty"`
	Containers string `json:"containers,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Invalid    string `json:"invalid,omitempty"`
}

// ContainerExplanation is how the values of one container come about.
type ContainerExplanation struct {
	Name string `json:"name"`
	// Source says where the values come from, in words; empty if there are none.
	Source string `json:"source,omitempty"`
	Held   bool   `json:"held"`
	// FirstSample and LastSample are of its own CPU usage, whatever it inherits.
	FirstSample time.Time `json:"firstSample,omitzero"`
	LastSample  time.Time `json:"lastSample,omitzero"`
	Samples     int       `json:"samples"`
	// Confidence is in days.
	Confidence float64               `json:"confidence"`
	Resources  []ResourceExplanation `json:"resources,omitempty"`
}

// ResourceExplanation is the way of one value, in the order in which the steps are taken.
type ResourceExplanation struct {
	Resource   string  `json:"resource"`
	Percentile float64 `json:"percentile"`
	Margin     float64 `json:"margin"`
	// Own is what the container's own usage says, with margin and minimum; nil without samples.
	Own *resource.Quantity `json:"own,omitempty"`
	// Minimum is its share of the pod's minimum.
	Minimum    resource.Quantity  `json:"minimum"`
	Uncapped   resource.Quantity  `json:"uncappedTarget"`
	MinAllowed *resource.Quantity `json:"minAllowed,omitempty"`
	MaxAllowed *resource.Quantity `json:"maxAllowed,omitempty"`
	// Bound says what moved the target away from the uncapped one; empty if nothing did.
	Bound      string            `json:"boundBy,omitempty"`
	LowerBound resource.Quantity `json:"lowerBound"`
	Target     resource.Quantity `json:"target"`
	UpperBound resource.Quantity `json:"upperBound"`
	// Limit is what the webhook sets on the next pod; nil where it sets none.
	Limit *resource.Quantity `json:"limit,omitempty"`
	// Published is the target in the VPA's status, which differs until it is written, and where the two are within 1 %.
	Published *resource.Quantity `json:"published,omitempty"`
}

// Explain asks the running loop how a VPA's recommendation comes about. It may be called by any goroutine, and waits
// for the loop, which takes a round at most.
func (l *Loop) Explain(ctx context.Context, name types.NamespacedName) (e *Explanation, err error) {
	if unanswered := l.do(ctx, func() { e, err = l.explain(name) }); unanswered != nil {
		return nil, unanswered
	}
	return e, err
}

// ExplainOnce takes up what the cluster has, without live metrics or history, and explains one VPA from that: from its
// checkpoints, its pods and its policy. It is for a Loop that is not started.
func (l *Loop) ExplainOnce(ctx context.Context, name types.NamespacedName) (*Explanation, error) {
	l.match(ctx)
	l.track(ctx)
	return l.explain(name)
}

// states are the names of pastStates.
var states = [...]string{none: "none", reading: "reading", failing: "failing", loaded: "loaded"}

func (l *Loop) explain(name types.NamespacedName) (*Explanation, error) {
	t := l.vpas[name]
	if t == nil {
		return nil, fmt.Errorf("there is no VPA %s that this recommender works on: is it another recommender's, another shard's, or misspelt?", name)
	}
	if t.targetErr != nil {
		return nil, fmt.Errorf("VPA %s: %w", name, t.targetErr)
	}
	d, outcomes := l.weigh(t, nil)
	e := &Explanation{
		Namespace: name.Namespace, VPA: name.Name, Target: t.group.target.String(), UpdateMode: string(target.UpdateMode(t.vpa)), Pods: len(t.group.pods),
		History: HistoryExplanation{
			State: states[t.past.state], Error: t.past.reason, Samples: t.past.samples, Checkpoints: t.checkpointed,
			Since: t.since, CoveredFrom: t.covered.From,
		},
		HPAs: d.conflicts, Conditions: t.vpa.Status.Conditions,
	}
	if d.inheritance != noInheritance {
		in := d.inheritance.Value()
		e.Inheritance = &InheritanceExplanation{Primary: in.primary, Mode: string(in.mode), Containers: in.pairs, Reason: in.missing, Invalid: in.invalid}
	}
	for i := range t.containers {
		e.Containers = append(e.Containers, l.explainContainer(t, d, t.containers[i].name, outcomes))
	}
	return e, nil
}

func (l *Loop) explainContainer(t *tracked, d decided, name string, outcomes []outcome) ContainerExplanation {
	e := ContainerExplanation{Name: name}
	var own estimate.Recommendation
	if a := t.usage.Aggregate(name); a != nil {
		e.FirstSample, e.LastSample, e.Samples = a.First(), a.Last(), a.Samples()
		own = estimate.Recommend(a, t.minimum, l.options.Estimate)
		if e.Samples > 0 {
			e.Confidence = estimate.Confidence(a, day)
		}
	}
	for i := range outcomes {
		o := &outcomes[i]
		if o.name != name {
			continue
		}
		e.Source, e.Held = o.origin.String(), o.held
		limits := l.projectedLimits(t, d.shape, o)
		for _, r := range usage.Resources {
			if o.values[r].known {
				e.Resources = append(e.Resources, l.explainResource(t, o, r, own, limits))
			}
		}
	}
	return e
}

func (l *Loop) explainResource(t *tracked, o *outcome, r usage.Resource, own estimate.Recommendation, limits corev1.ResourceList) ResourceExplanation {
	name, v := corev1.ResourceName(r.String()), &o.values[r]
	rules := policy.ForContainer(t.vpa.Spec.ResourcePolicy, o.name)
	e := ResourceExplanation{
		Resource: r.String(), Percentile: l.options.Estimate.Percentiles[r].Target, Margin: l.options.Estimate.Margin,
		Minimum: quantity(r, t.minimum[r]), Uncapped: quantity(r, v.uncapped), LowerBound: quantity(r, v.lower), Target: quantity(r, v.target),
		UpperBound: quantity(r, v.upper), MinAllowed: in(rules.Min, name), MaxAllowed: in(rules.Max, name), Limit: in(limits, name),
	}
	if own[r].Known {
		q := quantity(r, own[r].Target)
		e.Own = &q
	}
	switch v.bound {
	case minAllowed:
		e.Bound = "minAllowed"
	case maxAllowed, globalMaxAllowed:
		e.Bound = maximumOf[v.bound]
	case unbounded:
	}
	if e.MaxAllowed == nil {
		e.MaxAllowed = in(l.options.Policy.Global.MaxAllowed, name)
	}
	if p := t.publishedOf(o.name); p != nil && p.values[r].known {
		q := quantity(r, p.values[r].target)
		e.Published = &q
	}
	return e
}

// in is the list's quantity of that name, nil if there is none.
func in(list corev1.ResourceList, name corev1.ResourceName) *resource.Quantity {
	q, ok := list[name]
	if !ok {
		return nil
	}
	return &q
}
