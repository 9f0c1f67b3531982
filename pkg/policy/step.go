package policy

import (
	"fmt"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Reason says what moved an amount, or kept it from moving.
type Reason uint8

// The reasons, in the order in which they are asked.
const (
	// ByNothing: nothing did.
	ByNothing Reason = iota
	// ByAbsurdity: what is recommended, allowed or declared is no sane amount.
	ByAbsurdity
	// ByMinAllowed and ByMaxAllowed are the bounds of the container's policy; ByContradiction is a maxAllowed below minAllowed.
	ByMinAllowed
	ByMaxAllowed
	ByContradiction
	// ByFloor: the request was declared, and does not go below that.
	ByFloor
	// ByBoost: the container needs more CPU while it starts.
	ByBoost
	// ByWholeCPUs: a Guaranteed pod that declared whole CPUs keeps whole CPUs.
	ByWholeCPUs
	// ByGuaranteed: the pod would lose its QoS class.
	ByGuaranteed
	// ByLimitPolicy: the limit follows from the request, or stays.
	ByLimitPolicy
	// ByLimit: the limit is not to be changed, and no request may be above it.
	ByLimit
	// ByRangeMin, ByRangeMax and ByRangeRatio: a LimitRange's min, max and maxLimitRequestRatio for containers.
	ByRangeMin
	ByRangeMax
	ByRangeRatio
	// ByPodRangeMin, ByPodRangeMax and ByPodRangeRatio: the same for whole pods.
	ByPodRangeMin
	ByPodRangeMax
	ByPodRangeRatio
	// ByPodResources: what the pod asks for as a whole (spec.resources).
	ByPodResources
)

// String is the reason in one word, for metrics and audit annotations.
func (r Reason) String() string { return reasons[r] }

var reasons = [...]string{
	ByNothing: "None", ByAbsurdity: "Absurd", ByMinAllowed: "MinAllowed", ByMaxAllowed: "MaxAllowed", ByContradiction: "MaxBelowMinAllowed",
	ByFloor: "DeclaredFloor", ByBoost: "StartupBoost", ByWholeCPUs: "WholeCPUs", ByGuaranteed: "Guaranteed",
	ByLimitPolicy: "LimitPolicy", ByLimit: "FixedLimit", ByRangeMin: "LimitRangeMin", ByRangeMax: "LimitRangeMax", ByRangeRatio: "LimitRangeRatio",
	ByPodRangeMin: "PodLimitRangeMin", ByPodRangeMax: "PodLimitRangeMax", ByPodRangeRatio: "PodLimitRangeRatio", ByPodResources: "PodResources",
}

// words name what bounds an amount, for people.
var words = [...]string{
	ByMinAllowed: "minAllowed", ByMaxAllowed: "maxAllowed", ByFloor: "the declared request",
	ByLimit: "the limit", ByRangeMin: "the LimitRange's min", ByRangeMax: "the LimitRange's max", ByRangeRatio: "the LimitRange's maxLimitRequestRatio",
	ByPodRangeMin: "the LimitRange's min for pods", ByPodRangeMax: "the LimitRange's max for pods", ByPodRangeRatio: "the LimitRange's maxLimitRequestRatio for pods",
	ByPodResources: "the pod's own resources (spec.resources)",
}

// Step is one step of a decision: what moved one amount of one container, or kept it as declared.
type Step struct {
	// Container is its index among the pod's containers, -1 for all of them.
	Container int
	Resource  usage.Resource
	Reason    Reason
	// Limit is set where From and To are limits; else they are requests.
	Limit bool
	// Skipped is set where the resource was left as declared.
	Skipped bool
	// From is what it was moved from, To to what. With Skipped, To is what it would have been against.
	From, To Value
	// problem says in words what the amounts cannot; most often empty.
	problem string
}

// Warns reports whether the step kept a container from what was recommended, so that people should be told. The
// others are as they want it.
func (s *Step) Warns() bool {
	if s.Skipped {
		return true
	}
	switch s.Reason {
	case ByMinAllowed, ByMaxAllowed, ByContradiction, ByLimit, ByRangeMin, ByRangeMax, ByRangeRatio, ByPodRangeMin, ByPodRangeMax, ByPodRangeRatio, ByPodResources:
		return true
	}
	return false
}

// Text says the step in words, without naming the container: "cpu left as declared: ...".
func (s *Step) Text() string {
	r, from, to := s.Resource, s.From.text(s.Resource), s.To.text(s.Resource)
	if s.Skipped {
		return fmt.Sprintf("%s left as declared: %s", r, s.skipped(from, to))
	}
	what := "request"
	if s.Limit {
		what = "limit"
	}
	switch s.Reason {
	case ByMinAllowed, ByMaxAllowed:
		return fmt.Sprintf("%s: recommended %s, bounded by %s %s", r, from, words[s.Reason], to)
	case ByContradiction:
		return fmt.Sprintf("%s: capped to maxAllowed %s, which is below minAllowed", r, to)
	case ByFloor:
		return fmt.Sprintf("%s: request %s raised to the declared %s", r, from, to)
	case ByBoost:
		return fmt.Sprintf("%s: request %s boosted to %s for the start", r, from, to)
	case ByWholeCPUs:
		return fmt.Sprintf("%s: request %s made whole: %s", r, from, to)
	case ByLimitPolicy:
		return fmt.Sprintf("%s: limit %s, declared %s", r, to, from)
	case ByLimit:
		return fmt.Sprintf("%s: request %s lowered to the limit %s", r, from, to)
	}
	verb := "lowered"
	if s.To.amount > s.From.amount {
		verb = "raised"
	}
	return fmt.Sprintf("%s: %s %s %s to %s by %s", r, what, from, verb, to, words[s.Reason])
}

func (s *Step) skipped(from, to string) string {
	switch {
	case s.problem != "":
		return s.problem
	case s.Reason == ByGuaranteed:
		return "the pod is Guaranteed, and changing its request alone would take that from it"
	case s.Reason == ByWholeCPUs:
		return fmt.Sprintf("no whole CPU fits under %s", to)
	case s.Reason == ByLimit:
		return fmt.Sprintf("request %s would exceed the limit %s", from, to)
	case s.Reason == ByAbsurdity && s.Limit:
		return fmt.Sprintf("no sane limit follows from declared limit %s and request %s", from, to)
	case s.Reason == ByAbsurdity:
		return fmt.Sprintf("declared request %s is no sane amount", from)
	}
	return fmt.Sprintf("no request near %s is legal with %s", from, words[s.Reason])
}
