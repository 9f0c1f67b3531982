package loop

import (
	"fmt"
	"slices"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// proposal is what one container needs, before its policy.
type proposal struct {
	values estimate.Recommendation
	origin origin
	// held is set when the values are the published ones, short when they stand on less than a day of samples.
	held, short bool
	// there is set when there is anything to propose.
	there bool
}

// origin says where values come from. It is compared, to see whether a decision has changed.
type origin struct {
	// from is VPA/CONTAINER of the primary that the values are inherited from; empty if they are the VPA's own.
	from string
	// days is the length of what was seen, rounded.
	days   int32
	source source
	// larger is set when the values are the larger ones of the primary's and its own.
	larger bool
}

type source uint8

const (
	fromLive source = iota
	fromCheckpoint
	fromHistory
	fromPublication         // until history is read or live metrics cover a day
	fromPublicationAlone    // until live metrics cover a day
	fromPublicationResuming // until as much has been seen again as was missed
	fromPartialHistory      // while the rest is read
	fromPublicationOrMore   // or what was read so far, where that is larger
)

// own proposes for each of t's containers what its own usage says. While history is pending, and after a restart
// that finds none, the values that were published last are held, until a day of live metrics is there; after one that
// finds checkpoints, until as much has been seen again as passed since the last of them. While history is pending and
// nothing was published, nothing is proposed: a minute must not pass for a week.
func (l *Loop) own(t *tracked, into []proposal) []proposal {
	l.refresh(t)
	now := l.now()
	for i := range t.containers {
		into = append(into, l.ownOf(t, &t.containers[i], now))
	}
	return into
}

func (l *Loop) ownOf(t *tracked, c *container, now time.Time) proposal {
	a := t.usage.Aggregate(c.name)
	trusted := t.past.known()
	if !trusted && a != nil && !now.Before(t.holdUntil) {
		trusted = a.Span() >= day || (t.checkpointed && !t.past.pending())
	}
	if t.partial != nil {
		a = t.usage.With(t.partial, c.name)
	}
	if !trusted {
		if p := l.held(t, c, now); p.there {
			return l.raised(t, p, a)
		}
		if t.past.pending() && t.partial == nil {
			return proposal{}
		}
	}
	if a == nil || a.Empty() {
		return proposal{}
	}
	return proposal{
		there:  true,
		values: estimate.Recommend(a, t.minimum, l.options.Estimate),
		origin: origin{source: t.source(), days: int32(a.Span().Hours()/24 + 0.5)},
		short:  a.Span() < day,
	}
}

func (t *tracked) source() source {
	switch {
	case t.partial != nil:
		return fromPartialHistory
	case t.past.known():
		return fromHistory
	case t.checkpointed:
		return fromCheckpoint
	}
	return fromLive
}

// holds reports whether what was published is to stay for now.
func (l *Loop) holds(t *tracked) bool {
	if !t.restored || len(t.published) == 0 {
		return false
	}
	return t.past.pending() || l.now().Before(t.holdUntil) || (t.confident && !t.checkpointed && !t.past.known())
}

// held is what is published for the container. Its target is taken before the policy, which is applied anew. A
// container that was killed for memory since is given what that says.
func (l *Loop) held(t *tracked, c *container, now time.Time) proposal {
	if !l.holds(t) {
		return proposal{}
	}
	published := t.publishedOf(c.name)
	if published == nil {
		return proposal{}
	}
	p := proposal{there: true, held: true, short: !t.confident, origin: origin{source: fromPublication}}
	switch {
	case now.Before(t.holdUntil) && !t.past.pending():
		p.origin.source = fromPublicationResuming
	case !t.past.pending():
		p.origin.source = fromPublicationAlone
	}
	for _, r := range usage.Resources {
		if v := &published.values[r]; v.known {
			p.values[r] = estimate.Estimate{Known: true, Target: v.uncapped, LowerBound: v.lower, UpperBound: v.upper}
		}
	}
	if a := t.usage.Aggregate(c.name); a != nil && t.wasOOMKilled(c.name) {
		seen := estimate.Recommend(a, t.minimum, l.options.Estimate)
		p.values[usage.Memory] = larger(p.values[usage.Memory], seen[usage.Memory])
	}
	return p
}

// raised gives a held target more where what was read of history so far says so, and is what the target was made from.
// Nothing is lowered by it, and what stood on all of history is not moved by part of it.
func (l *Loop) raised(t *tracked, p proposal, a *aggregate.Aggregate) proposal {
	if t.partial == nil || !t.ours || a == nil || a.Empty() {
		return p
	}
	seen := estimate.Recommend(a, t.minimum, l.options.Estimate)
	for _, r := range usage.Resources {
		if e := &p.values[r]; seen[r].Known && (!e.Known || seen[r].Target > e.Target) {
			e.Known, e.Target = true, seen[r].Target
			e.UpperBound = max(e.UpperBound, e.Target)
			p.origin.source = fromPublicationOrMore
		}
	}
	return p
}

// larger is the larger of two estimates, value by value.
func larger(a, b estimate.Estimate) estimate.Estimate {
	switch {
	case !a.Known:
		return b
	case !b.Known:
		return a
	}
	return estimate.Estimate{
		Known: true, Target: max(a.Target, b.Target), LowerBound: max(a.LowerBound, b.LowerBound), UpperBound: max(a.UpperBound, b.UpperBound),
		AtMinimum: a.AtMinimum && b.AtMinimum,
	}
}

// inheritance is from whom a candidate takes values, or why it does not.
type inheritance struct {
	primary string
	mode    lineage.Mode
	// pairs say which container inherits from which of the primary's, in words: "shop-rc from shop".
	pairs string
	// reason and missing say why nothing is inherited, as a condition's reason and message.
	reason, missing string
	// invalid says which annotations make no sense.
	invalid string
}

// propose is own, with what a release candidate inherits in place of what it used itself.
func (l *Loop) propose(t *tracked, into []proposal) ([]proposal, inheritance) {
	proposals := l.own(t, into)
	link := t.link
	if link == nil {
		return proposals, inheritance{}
	}
	in := inheritance{primary: link.Primary, mode: link.Mode}
	if len(link.Invalid) > 0 {
		in.invalid = joined(link.Invalid)
	}
	switch {
	case link.Refused != "":
		in.reason, in.missing = "Refused", link.Refused+"; its own usage counts."
		return proposals, in
	case link.Primary == "":
		return proposals, in
	}
	primary := l.vpas[l.primaryOf(t)]
	if primary == nil {
		in.reason, in.missing = "PrimaryMissing", fmt.Sprintf("There is no VPA %s to inherit from; its own usage counts.", link.Primary)
		return proposals, in
	}
	return proposals, l.inherit(t, primary, proposals, in)
}

// inherit replaces proposals by the primary's, container by container.
func (l *Loop) inherit(t, primary *tracked, proposals []proposal, in inheritance) inheritance {
	learnt := l.own(primary, nil)
	mapped, unknown := lineage.Map(
		lineage.Workload{Name: t.group.target.Name, Containers: namesOf(t.containers)},
		lineage.Workload{Name: primary.group.target.Name, Containers: namesOf(primary.containers)}, t.link.Containers)
	if len(unknown) > 0 {
		in.invalid = joined(append(slices.Clone(t.link.Invalid), unknown...))
	}
	var pairs []string
	anything := false
	for i := range t.containers {
		own := t.containers[i].name
		from, ok := mapped[own]
		if !ok {
			continue
		}
		p := proposalOf(primary.containers, learnt, from)
		if !p.there {
			continue
		}
		anything = true
		p.origin.from = primary.vpa.Name + "/" + from
		if mine := proposals[i]; in.mode == lineage.Larger && mine.there && !mine.held {
			for _, r := range usage.Resources {
				p.values[r] = larger(p.values[r], mine.values[r])
			}
			p.origin.larger = true
		}
		proposals[i] = p
		pairs = append(pairs, own+" from "+from)
	}
	in.pairs = joined(pairs)
	switch {
	case anything:
	case len(mapped) == 0 && anyThere(learnt):
		in.reason, in.missing = "NoContainerMatches", fmt.Sprintf("No container is named like one of VPA %s's; its own usage counts.", in.primary)
	default:
		in.reason, in.missing = "PrimaryWithoutRecommendation", fmt.Sprintf("VPA %s has no recommendation yet; its own usage counts.", in.primary)
	}
	return in
}

var noInheritance unique.Handle[inheritance]

// primaryOf names the VPA that t inherits from.
func (l *Loop) primaryOf(t *tracked) types.NamespacedName {
	return types.NamespacedName{Namespace: t.vpa.Namespace, Name: t.link.Primary}
}

func namesOf(containers []container) []string {
	names := make([]string, len(containers))
	for i := range containers {
		names[i] = containers[i].name
	}
	return names
}

// proposalOf is the one for the container of that name.
func proposalOf(containers []container, proposals []proposal, name string) proposal {
	for i := range containers {
		if containers[i].name == name {
			return proposals[i]
		}
	}
	return proposal{}
}

func anyThere(proposals []proposal) bool {
	return slices.ContainsFunc(proposals, func(p proposal) bool { return p.there })
}
