package policy

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Cluster is what the cluster's operator says of all VPAs.
type Cluster struct {
	// Limits says how limits follow from requests, where a VPA's annotations do not.
	Limits LimitPolicy
	// FloorRequests keeps requests at or above the declared ones, where a VPA's annotation does not say otherwise.
	FloorRequests bool
	// StartupBoost is upstream's feature gate CPUStartupBoost. MaxBoost is what no boosted request is above; zero bounds
	// nothing.
	StartupBoost bool
	MaxBoost     resource.Quantity
}

// Rules are all that a VPA says of its pods, ready to be applied. They are made when the VPA changes, not when pods
// arrive, and are read only.
type Rules struct {
	// Invalid are the annotations that make no sense, and in place of which the cluster's rule counts.
	Invalid []error

	containers []containerRules
	policies   *vpav1.PodResourcePolicy
	limits     [len(usage.Resources)]limitRule
	// bounded is set when maxAllowed bounds limits, floor when requests do not go below the declared ones.
	bounded, floor bool
	boost          *boosts
}

// containerRules are those for one container that something is recommended for.
type containerRules struct {
	name string
	// limits is set when limits follow requests (controlledValues: RequestsAndLimits).
	limits    bool
	resources [len(usage.Resources)]resourceRules
}

// resourceRules are those for one resource of a container: what is recommended, and what its policy makes of it.
type resourceRules struct {
	// target is what is recommended, unset if nothing is. want is that, bounded by the policy, and by which side of it.
	target, want Value
	by           Reason
	// most is maxAllowed, unset if there is none.
	most Value
	// problem says why the resource is left as declared, whatever the pod; empty if it is not.
	problem string
}

// RulesOf returns the rules of a VPA that recommends this; both are read only from now on. In the webhook that is the
// VPA's status; the recommender decides what it is going to publish.
func RulesOf(vpa *vpav1.VerticalPodAutoscaler, recommended *vpav1.RecommendedPodResources, cluster Cluster) *Rules {
	rules := &Rules{policies: vpa.Spec.ResourcePolicy}
	limits, invalid := LimitsOf(vpa.Annotations, cluster.Limits)
	for _, r := range usage.Resources {
		rules.limits[r] = limits.rule(r).compile(r)
	}
	rules.bounded = limits.MaxAllowedBoundsLimit
	floor, err := FloorOf(vpa.Annotations, cluster.FloorRequests)
	if err != nil {
		invalid = append(invalid, err)
	}
	rules.floor, rules.Invalid = floor, invalid
	rules.boost = boostsOf(vpa, cluster)
	if p := vpa.Spec.UpdatePolicy; recommended == nil || p != nil && p.UpdateMode != nil && *p.UpdateMode == vpav1.UpdateModeOff {
		return rules
	}
	for i := range recommended.ContainerRecommendations {
		// As upstream, the first entry of a name counts.
		if one := &recommended.ContainerRecommendations[i]; rules.of(one.ContainerName) == nil {
			rules.containers = append(rules.containers, containerRulesOf(ForContainer(rules.policies, one.ContainerName), one))
		}
	}
	return rules
}

func containerRulesOf(c Container, recommended *vpav1.RecommendedContainerResources) containerRules {
	rules := containerRules{name: recommended.ContainerName, limits: c.ControlledLimits}
	for _, r := range usage.Resources {
		if target, ok := recommended.Target[resourceName(r)]; ok && c.Controls(resourceName(r)) {
			rules.resources[r] = c.rules(r, target)
		}
	}
	return rules
}

// rules takes a recommendation through the container's policy. As upstream, a bound of zero is no bound, and
// maxAllowed wins where it is below minAllowed. What comes out and is no sane amount is a problem.
func (c *Container) rules(r usage.Resource, target resource.Quantity) resourceRules {
	x := resourceRules{target: ValueOf(r, target)}
	if !x.target.sane(r) {
		x.problem = fmt.Sprintf("recommended %s is no sane amount", quoted(target))
		return x
	}
	x.want = x.target.with(x.target.amount)
	said := resource.Quantity{}
	lowest, hasMin := boundOf(c.Min, resourceName(r))
	least := ValueOf(r, lowest)
	if hasMin && least.amount > x.want.amount {
		x.want, x.by, said = least, ByMinAllowed, lowest
	}
	if highest, ok := boundOf(c.Max, resourceName(r)); ok {
		x.most = ValueOf(r, highest)
		if x.most.amount < x.want.amount {
			x.want, x.by, said = x.most, ByMaxAllowed, highest
		}
		if hasMin && x.most.amount < least.amount {
			x.by = ByContradiction
		}
	}
	switch {
	case x.want.sane(r):
		x.want.is = exact
	case x.by == ByMinAllowed:
		x.problem = fmt.Sprintf("minAllowed %s is no sane amount", quoted(said))
	default:
		x.problem = fmt.Sprintf("maxAllowed %s is no sane amount", quoted(said))
	}
	return x
}

// of returns the rules for the container called name, nil if nothing is recommended for it.
func (x *Rules) of(name string) *containerRules {
	for i := range x.containers {
		if x.containers[i].name == name {
			return &x.containers[i]
		}
	}
	return nil
}

// CPUsStayWhole reports whether the webhook gives the pod's container whole CPUs: the pod is Guaranteed, the container
// declared whole ones, and its limits may be changed.
func (x *Rules) CPUsStayWhole(p *Pod, name string) bool {
	c, policy := p.Container(name), ForContainer(x.policies, name)
	if c == nil || !p.Guaranteed || !policy.ControlledLimits || !policy.Controls(resourceName(usage.CPU)) || x.limits[usage.CPU].mode == LimitNone {
		return false
	}
	return whole(c.First.Limits[usage.CPU])
}

// Floor returns the amounts, in milli-CPU and bytes, that the webhook does not let the container's requests go below:
// what it declared, where that counts; 0 for none.
func (x *Rules) Floor(p *Pod, name string) [len(usage.Resources)]usage.Amount {
	var floor [len(usage.Resources)]usage.Amount
	c := p.Container(name)
	if c == nil || !x.floor {
		return floor
	}
	for _, r := range usage.Resources {
		floor[r] = usage.Amount(x.floorOf(c, r))
	}
	return floor
}

func (x *Rules) floorOf(c *PodContainer, r usage.Resource) int64 {
	request := c.First.Requests[r]
	if !x.floor || c.defaulted&requestMark(r) != 0 || !request.sane(r) || request.absurd() {
		return 0
	}
	return request.amount
}

// milliPerCore is a whole CPU in milli-CPU. The kubelet gives containers CPUs of their own only in
// whole numbers, so that a Guaranteed pod would lose them with any other.
const milliPerCore = 1000

func whole(cpu Value) bool { return cpu.is == exact && cpu.amount > 0 && cpu.amount%milliPerCore == 0 }
