package loop

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/checkpoint"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

const day = 24 * time.Hour

// tracked is what is known of one VPA.
type tracked struct {
	vpa *vpav1.VerticalPodAutoscaler
	// group is that of what its targetRef names; targetErr is set if that cannot be understood.
	group     *group
	targetErr error
	// unreadable is set if its spec cannot be read whole: then it is learnt for, and nothing is decided.
	unreadable error
	// link says from whom it inherits; nil for a VPA that is no candidate.
	link *lineage.Link

	// since is where history ends and live samples begin.
	since time.Time
	usage *aggregate.Workload
	past  past
	// partial is what was read of history while the rest is missing; nil if nothing is. It is not in usage.
	partial *aggregate.Workload
	// ours is set when what is published was made from part of history, by this process.
	ours bool
	// filled is up to when history brought what live metrics did not.
	filled time.Time
	// covered is what usage holds without gaps, at least; its end moves when a checkpoint is written.
	covered checkpoint.Coverage
	// restored is set when what the VPA's status recommends was there before this process, and is of this target as
	// far as anybody knows; confident when it stands on a day of samples or more. Both say what may be held.
	restored, confident bool
	// checkpointed is set when usage was filled from checkpoints, which cover all up to restoredTo. What happened between
	// that and this process is not in it; holdUntil is when as much has been seen again.
	checkpointed          bool
	restoredTo, holdUntil time.Time
	// checkpointDue is when the next checkpoint may be written.
	checkpointDue time.Time
	// ooms are the containers that were killed for memory in this process or are known to loop.
	ooms []oomed

	// containers are those that are recommended for; nil when they have to be found out anew.
	containers []container
	basis      basis
	// asks are its annotations that say how requests and limits of pods follow, as they are written.
	asks string
	// minimum is each one's share of the pod's minimum.
	minimum [2]usage.Amount

	// published is what the status recommends. decided is the rest that it was made from, nil if that is not known;
	// written is the status as it was written last, by this process.
	published []outcome
	decided   *decided
	written   *vpav1.VerticalPodAutoscalerStatus
	// pending is the status that waits to be written, nil if none does; listed is set while the backlog lists it.
	pending *statusJob
	listed  bool
	// queued is set while checkpoints wait to be written.
	queued bool
	// dropped is set when the VPA is not tracked any more.
	dropped bool
}

// container is one that is recommended for.
type container struct {
	name string
	// bounds are its policy. Most VPAs have the same one for all, so that equal ones are kept once.
	bounds unique.Handle[policy.Compiled]
}

// basis is what tracked.containers was found out from.
type basis struct {
	pods, seen int32
	held       bool
}

func (t *tracked) name() types.NamespacedName {
	return types.NamespacedName{Namespace: t.vpa.Namespace, Name: t.vpa.Name}
}

// undecidable returns why nothing can be decided for the VPA, as a condition's reason and message; nil if it can.
func (t *tracked) undecidable() (reason string, err error) {
	if t.unreadable != nil {
		return "SpecUnreadable", t.unreadable
	}
	return "TargetRefInvalid", t.targetErr
}

// confident reports whether the VPA has a recommendation that stands on a day of samples or more.
func confident(vpa *vpav1.VerticalPodAutoscaler) bool {
	for _, c := range vpa.Status.Conditions {
		if c.Type == vpav1.LowConfidence && c.Status == corev1.ConditionTrue {
			return false
		}
	}
	return vpa.Status.Recommendation != nil
}

// refresh finds out for which containers there are recommendations, if that may have changed.
func (l *Loop) refresh(t *tracked) {
	b := basis{pods: t.group.version, seen: int32(t.usage.Len()), held: l.holds(t)}
	if t.containers != nil && t.basis == b {
		return
	}
	names := t.names(b.held)
	t.basis, t.containers = b, make([]container, 0, len(names))
	given := policy.RulesOf(t.vpa, nil, l.options.cluster())
	t.asks = asks(t.vpa.Annotations)
	sharing := 0
	for _, name := range names {
		rules := policy.ForContainer(t.vpa.Spec.ResourcePolicy, name)
		if !rules.Off {
			sharing++
		}
		t.usage.SetRules(name, l.rules(rules))
		integer := l.options.Policy.IntegerCPU && policy.IntegerCPU(t.vpa.Annotations, name)
		bounds := rules.Compile(l.options.Policy.Global, l.options.Policy.Rounding, integer)
		bounds = t.asGiven(bounds, given, name)
		t.containers = append(t.containers, container{name: name, bounds: unique.Make(bounds)})
	}
	t.minimum = l.options.Policy.Minimum.Share(l.options.Estimate.Share(sharing))
}

// asks are those of a VPA's annotations that the webhook decides by; empty if there are none.
func asks(annotations map[string]string) string {
	var said strings.Builder
	for _, key := range [...]string{policy.CPULimitAnnotation, policy.MemoryLimitAnnotation, policy.FloorAnnotation} {
		if value, ok := annotations[key]; ok {
			fmt.Fprintf(&said, "%s=%q ", key, value)
		}
	}
	return said.String()
}

// asGiven is a container's policy with what the webhook adds for the VPA's pods, if it acts on them.
func (t *tracked) asGiven(bounds policy.Compiled, given *policy.Rules, name string) policy.Compiled {
	if len(t.group.pods) == 0 || target.UpdateMode(t.vpa) == vpav1.UpdateModeOff {
		return bounds
	}
	return bounds.Given(given, &t.group.pods[0].Shape.Pod, name)
}

// names are those of the containers of running pods, so that a container that was renamed takes no share of the
// pod's minimum; without pods, all that were ever seen or are held. A candidate that never had a pod has those that its
// policy names, so that its first pod finds what it inherits.
func (t *tracked) names(held bool) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, p := range t.group.pods {
		for _, c := range p.Shape.Containers {
			add(c)
		}
	}
	if len(t.group.pods) == 0 {
		for _, c := range t.usage.Containers() {
			add(c)
		}
		for _, p := range t.published {
			if held {
				add(p.name)
			}
		}
	}
	if policies := t.vpa.Spec.ResourcePolicy; len(names) == 0 && t.link != nil && policies != nil {
		for _, c := range policies.ContainerPolicies {
			if c.ContainerName != vpav1.DefaultContainerResourcePolicy {
				add(c.ContainerName)
			}
		}
	}
	slices.Sort(names)
	return names
}

// rulesOf are how usage of a container is learnt: the cluster's way, and the VPA's own fields where they count.
func (l *Loop) rules(c policy.Container) aggregate.Rules {
	if !l.options.PerVPAConfig {
		return l.options.Aggregate.Rules
	}
	d := l.options.Aggregate.Rules
	u := c.UsageRules(policy.UsageRules{MemoryInterval: d.MemoryInterval, OOMBumpUpRatio: d.OOMBumpUpRatio, OOMMinBumpUp: d.OOMMinBumpUp})
	return aggregate.Rules{MemoryInterval: u.MemoryInterval, OOMBumpUpRatio: u.OOMBumpUpRatio, OOMMinBumpUp: u.OOMMinBumpUp}
}

// recommends reports whether the container is one that is recommended for.
func (t *tracked) recommends(name string) bool {
	return slices.ContainsFunc(t.containers, func(c container) bool { return c.name == name })
}
