package loop

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/decision"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// proposal is what one container needs, before its policy.
type proposal struct {
	values estimate.Recommendation
	// origin says where the values come from, in words.
	origin string
	// short is set when they stand on less than a day of samples, held when they are the published ones.
	short bool
	held  bool
}

// own proposes for each container of the VPA what its own usage says. While history is pending, and after a
// restart that finds none, the values that were published last are held, until a day of live metrics is there.
// While it is pending and nothing was published, nothing is proposed: a minute must not pass for a week.
func (l *Loop) own(t *tracked) map[string]proposal {
	containers := t.containers()
	share := l.options.Estimate.Share(t.sharing(containers))
	proposals := map[string]proposal{}
	for _, name := range containers {
		if !t.past.known() && !t.covered(name) {
			p, ok := t.held(name)
			if ok {
				proposals[name] = p
			}
			if ok || t.past.pending() {
				continue
			}
		}
		a := t.usage.Aggregate(name)
		if a == nil || a.Empty() {
			continue
		}
		proposals[name] = proposal{
			values: estimate.Recommend(a, share, l.options.Estimate),
			origin: decision.Span(int(a.Span().Hours()/24+0.5)) + " of " + t.sources(),
			short:  a.Span() < day,
		}
	}
	return proposals
}

func (t *tracked) sources() string {
	if t.past.state == loaded && t.past.samples > 0 {
		return "Prometheus history and live metrics"
	}
	return "live metrics"
}

// holds reports whether what was published is to stay for now.
func (t *tracked) holds() bool {
	return t.vpa.Status.Recommendation != nil && t.restored && (t.past.pending() || (t.confident && !t.past.known()))
}

// held is what is published for the container. Its target is taken before the policy, which is applied anew.
func (t *tracked) held(container string) (proposal, bool) {
	if !t.holds() {
		return proposal{}, false
	}
	r := published(t.vpa, container)
	if r == nil {
		return proposal{}, false
	}
	p := proposal{
		held: true, short: !t.confident,
		origin: "the last publication, until history is read or live metrics cover a day",
	}
	if !t.past.pending() {
		p.origin = "the last publication, until live metrics cover a day"
	}
	target := r.UncappedTarget
	if len(target) == 0 {
		target = r.Target
	}
	for _, resource := range usage.Resources {
		if v, ok := amountIn(target, resource); ok {
			lower, _ := amountIn(r.LowerBound, resource)
			upper, _ := amountIn(r.UpperBound, resource)
			p.values[resource] = estimate.Estimate{Target: v, LowerBound: lower, UpperBound: upper, Known: true}
		}
	}
	return p, p.values != estimate.Recommendation{}
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

// inheritance is from whom a candidate takes values, or why it does not.
type inheritance struct {
	primary string
	// containers are the candidate's that inherit, and from which of the primary's.
	containers map[string]string
	// reason and missing say why nothing is inherited, as a condition's reason and message.
	reason, missing string
}

// propose is own, with what a release candidate inherits in place of what it used itself. The second value is
// nil for a VPA that is no candidate.
func (l *Loop) propose(name types.NamespacedName, t *tracked) (map[string]proposal, *inheritance) {
	proposals := l.own(t)
	link := lineage.Of(name.Name, l.options.CandidateSuffix)
	switch {
	case link.Refused != "":
		return proposals, &inheritance{reason: "Refused", missing: link.Refused + "; its own usage counts."}
	case link.Primary == "":
		return proposals, nil
	}
	primary := l.vpas[types.NamespacedName{Namespace: name.Namespace, Name: link.Primary}]
	if primary == nil {
		return proposals, &inheritance{primary: link.Primary, reason: "PrimaryMissing",
			missing: fmt.Sprintf("There is no VPA %s to inherit from; its own usage counts.", link.Primary)}
	}
	return l.inherit(t, proposals, link.Primary, primary)
}

func (l *Loop) inherit(t *tracked, proposals map[string]proposal, name string, primary *tracked) (map[string]proposal, *inheritance) {
	learnt := l.own(primary)
	in := &inheritance{primary: name, containers: map[string]string{}}
	mapped := lineage.MapContainers(
		lineage.Workload{Name: t.target.Name, Containers: t.containers()},
		lineage.Workload{Name: primary.target.Name, Containers: primary.containers()})
	for own, from := range mapped {
		p, ok := learnt[from]
		if !ok {
			continue
		}
		in.containers[own] = from
		p.origin = fmt.Sprintf("VPA %s's container %s: %s", name, from, p.origin)
		proposals[own] = p
	}
	if len(in.containers) > 0 {
		return proposals, in
	}
	in.reason, in.missing = "PrimaryWithoutRecommendation", fmt.Sprintf("VPA %s has no recommendation yet; its own usage counts.", name)
	if len(mapped) == 0 && len(learnt) > 0 {
		in.reason, in.missing = "NoContainerMatches", fmt.Sprintf("No container is named like one of VPA %s's; its own usage counts.", name)
	}
	return proposals, in
}
