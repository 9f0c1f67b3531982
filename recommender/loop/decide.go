package loop

import (
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

// outcome is what is decided for one container. Outcomes are compared: words and writes follow only from what differs.
type outcome struct {
	name   string
	values [2]value // indexed by usage.Resource
	origin origin
	// held and short are the proposal's; looping is set when the container is killed for memory that maxAllowed denies it.
	held, short, looping bool
}

// value is what is decided for one resource of a container, in millicores or bytes.
type value struct {
	uncapped, target, lower, upper usage.Amount
	// bound is what moved target away from uncapped.
	bound bound
	// atMinimum is set when the pod's minimum raised it, contradicts when maxAllowed is below minAllowed.
	known, atMinimum, contradicts bool
}

// bound is a policy.Bound in a byte.
type bound uint8

const (
	unbounded bound = iota
	minAllowed
	maxAllowed
	globalMaxAllowed
	declaredRequest
	legal
)

func boundOf(b policy.Bound) bound {
	switch b {
	case policy.MinAllowed:
		return minAllowed
	case policy.MaxAllowed:
		return maxAllowed
	case policy.GlobalMaxAllowed:
		return globalMaxAllowed
	case policy.DeclaredRequest:
		return declaredRequest
	}
	return unbounded
}

// decided is all that a VPA's status is made from, but for the outcomes.
type decided struct {
	generation int64
	pods       bool
	proposed   bool
	past       past
	// inheritance is zero for a VPA that is no candidate.
	inheritance unique.Handle[inheritance]
	conflicts   string
	// asks are tracked.asks, by which limits are decided.
	asks string
	// shape is that of the newest pod, whose declared limits the next pod will have, and ranges what moves its requests.
	shape  *cluster.Shape
	ranges *policy.Ranges
}

// weigh decides for t, into outcomes: estimate, inheritance, policy, and what is published already. It is the part of a
// round that runs for every VPA, and allocates nothing while nothing changes.
func (l *Loop) weigh(t *tracked, outcomes []outcome) (decided, []outcome) {
	l.scratch = l.scratch[:0]
	proposals, in := l.propose(t, l.scratch)
	l.scratch = proposals
	d := decided{generation: t.vpa.Generation, pods: len(t.group.pods) > 0, past: t.past}
	if in != (inheritance{}) {
		d.inheritance = unique.Make(in)
	}
	if d.pods {
		d.shape, d.ranges = t.group.pods[0].Shape, l.cluster.LimitRanges(t.vpa.Namespace)
	}
	d.asks = t.asks
	hpas := l.conflicting(t)
	d.conflicts = conflicts(hpas)
	for i := range proposals {
		p := &proposals[i]
		d.proposed = d.proposed || p.there
		if !p.there {
			continue
		}
		if o, ok := l.bounded(t, &t.containers[i], p, hpas); ok {
			outcomes = append(outcomes, o)
		}
	}
	l.legalise(t, &d, outcomes)
	return d, outcomes
}

// legalise gives outcomes what the next pod is going to request, where LimitRanges or the pod's own resources let it
// have no other: upstream's updater would evict it for the difference, again and again.
func (l *Loop) legalise(t *tracked, d *decided, outcomes []outcome) {
	if d.shape == nil || d.ranges == nil && d.shape.Pod.Level == nil {
		return
	}
	next := l.projected(t, d, outcomes)
	for i := range outcomes {
		o, was := &outcomes[i], t.publishedOf(outcomes[i].name)
		given := next.of(o.name)
		if given == nil {
			continue
		}
		for _, r := range usage.Resources {
			v, request := &o.values[r], given.Requests[r]
			to := usage.Amount(request.Amount())
			if !v.known || !request.IsSet() || to == v.target || r == usage.CPU && given.Boosted {
				continue
			}
			if was != nil && was.values[r].known && near(to, was.values[r].target) {
				to = was.values[r].target
			}
			v.bound, v.target, v.lower, v.upper = legal, to, min(v.lower, to), max(v.upper, to)
		}
	}
}

// bounded takes a proposal through the container's policy, and keeps what is published where it is as good. False
// if the policy leaves nothing to recommend.
func (l *Loop) bounded(t *tracked, c *container, p *proposal, hpas []cluster.HPA) (outcome, bool) {
	bounds := c.bounds.Value()
	was := t.publishedOf(c.name)
	o := outcome{name: c.name, origin: p.origin, held: p.held, short: p.short}
	any := false
	for _, r := range usage.Resources {
		e := &p.values[r]
		if !e.Known || !bounds.Controls(r) || (l.options.SkipHPAConflicts && scales(hpas, r)) {
			continue
		}
		any = true
		v := value{known: true, atMinimum: e.AtMinimum, contradicts: bounds.Contradicts(r)}
		var by policy.Bound
		v.uncapped, v.target, by = bounds.Apply(r, e.Target)
		v.bound = boundOf(by)
		_, v.lower, _ = bounds.Apply(r, e.LowerBound)
		_, v.upper, _ = bounds.Apply(r, e.UpperBound)
		if was != nil && was.values[r].known {
			settle(&v, &was.values[r], &bounds, r)
		}
		o.values[r] = v
	}
	memory := &o.values[usage.Memory]
	o.looping = t.looping(c.name, l.now()) && (memory.bound == maxAllowed || memory.bound == globalMaxAllowed)
	return o, any
}

// tolerance is by how much a value must differ from the published one to be worth a write.
const tolerance = 0.01

// settle keeps published values that are as good as the new ones, so that bounds that creep with every sample are not
// written every minute. A value that the policy no longer allows is not kept.
func settle(v, published *value, bounds *policy.Compiled, r usage.Resource) {
	keep := func(now *usage.Amount, before usage.Amount) {
		if before == *now || !near(*now, before) {
			return
		}
		if _, capped, _ := bounds.Apply(r, before); capped == before {
			*now = before
		}
	}
	keep(&v.target, published.target)
	keep(&v.lower, published.lower)
	keep(&v.upper, published.upper)
	if near(v.uncapped, published.uncapped) {
		v.uncapped = published.uncapped
	}
}

func near(a, b usage.Amount) bool {
	x, y := float64(a), float64(b)
	return x >= y*(1-tolerance) && x <= y*(1+tolerance)
}

// publishedOf is what is published for the container, nil if nothing is.
func (t *tracked) publishedOf(name string) *outcome {
	for i := range t.published {
		if t.published[i].name == name {
			return &t.published[i]
		}
	}
	return nil
}

// publishedIn reads what a status recommends.
func publishedIn(status *vpav1.VerticalPodAutoscalerStatus) []outcome {
	if status.Recommendation == nil {
		return nil
	}
	recommendations := status.Recommendation.ContainerRecommendations
	outcomes := make([]outcome, 0, len(recommendations))
	for i := range recommendations {
		rec := &recommendations[i]
		if slices.ContainsFunc(outcomes, func(o outcome) bool { return o.name == rec.ContainerName }) {
			continue
		}
		o := outcome{name: rec.ContainerName}
		for _, r := range usage.Resources {
			o.values[r] = publishedValue(rec, r)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

func publishedValue(rec *vpav1.RecommendedContainerResources, r usage.Resource) value {
	target, ok := amountIn(rec.Target, r)
	if !ok {
		return value{}
	}
	v := value{known: true, target: target, uncapped: target}
	if uncapped, ok := amountIn(rec.UncappedTarget, r); ok {
		v.uncapped = uncapped
	}
	v.lower, _ = amountIn(rec.LowerBound, r)
	v.upper, _ = amountIn(rec.UpperBound, r)
	return v
}

func amountIn(list corev1.ResourceList, r usage.Resource) (usage.Amount, bool) {
	q, ok := list[corev1.ResourceName(r.String())]
	if !ok || q.Sign() < 0 {
		return 0, false
	}
	if r == usage.CPU {
		return min(usage.Amount(q.MilliValue()), usage.MaxAmount), true
	}
	return min(usage.Amount(q.Value()), usage.MaxAmount), true
}
