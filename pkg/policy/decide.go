package policy

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Ask is all that a decision for one container depends on.
type Ask struct {
	// Declared is what the container declared before any webhook changed it.
	Declared corev1.ResourceRequirements
	// Guaranteed is set when the whole pod was declared with QoS class Guaranteed.
	Guaranteed bool
	// Target is the container's target in status.recommendation; nil if there is none.
	Target corev1.ResourceList
	// Policy is the container's part of the VPA's resource policy.
	Policy Container
	// Limits says how limits follow from requests.
	Limits LimitPolicy
}

// Decision is what one container shall ask for. A resource that neither list names stays as it was
// declared.
type Decision struct {
	Requests, Limits corev1.ResourceList
	// Notes tell what stood in the way, cpu before memory: worth a warning. None if the
	// recommendation went through as it is.
	Notes []Note
}

// Note tells why a resource did not get what was recommended for it.
type Note struct {
	Resource corev1.ResourceName
	// Skipped is set when the resource was left as declared, and not when it was only capped.
	Skipped bool
	// Text says it in words, without naming the container: "cpu left as declared: ...".
	Text string
}

// Decide returns the container's decision: recommendation, then container policy, then limit
// policy, with limit >= request throughout. Where no legal result exists for a resource it is left
// as declared, and a Note says why.
func (a Ask) Decide() Decision {
	var d Decision
	for _, name := range resources {
		target, ok := a.Target[name]
		if !ok || !a.Policy.Controls(name) {
			continue
		}
		one := step{Ask: a, name: name, decision: &d}
		if request, ok := one.request(target); ok {
			one.finish(request)
		}
	}
	return d
}

// step decides one resource of one container.
type step struct {
	Ask
	name     corev1.ResourceName
	decision *Decision
}

// request takes the recommendation through the container policy; false if the resource is skipped.
func (s step) request(target resource.Quantity) (resource.Quantity, bool) {
	if !Sane(s.name, target) {
		return s.skip("recommended %s is no sane amount", target.String())
	}
	capped, bound := s.Policy.Cap(s.name, target)
	amount, ok := amountOf(s.name, capped)
	if !ok {
		return s.skip("%s %s is no sane amount", bound, capped.String())
	}
	if s.Policy.Contradicts(s.name) {
		s.note("capped to maxAllowed %s, which is below minAllowed", capped.String())
	} else if bound != "" {
		s.note("recommended %s, bounded by %s %s", target.String(), bound, capped.String())
	}
	// Kubernetes has no fractions of a milli-CPU or a byte.
	return quantityOf(s.name, amount, capped.Format), true
}

// finish sets the request, and the limit that belongs to it.
func (s step) finish(request resource.Quantity) {
	declared, hasLimit := s.Declared.Limits[s.name]
	switch {
	case s.Guaranteed:
		s.equal(request, declared)
	case !hasLimit:
		s.set(request, nil)
	case !s.Policy.ControlledLimits:
		s.under(request, declared)
	default:
		limit, ok := s.Limits.Limit(s.name, declared, request)
		if !ok {
			s.skip("no sane limit follows from declared limit %s and request %s", declared.String(), request.String())
			return
		}
		s.set(request, &limit)
	}
}

// equal keeps a Guaranteed pod Guaranteed: request = limit, and whole CPUs if they were whole.
func (s step) equal(request, declared resource.Quantity) {
	if !s.Policy.ControlledLimits {
		s.skip("the pod is Guaranteed, and controlledValues RequestsOnly would take that from it")
		return
	}
	if s.name == corev1.ResourceCPU && whole(declared) {
		var ok bool
		if request, ok = s.wholeCPU(request); !ok {
			return
		}
	}
	s.set(request, &request)
}

// milliPerCore is a whole CPU in milli-CPU. The kubelet gives containers CPUs of their own only in
// whole numbers, so that a Guaranteed pod would lose them with any other.
const milliPerCore = 1000

// KeepsCPUsWhole reports whether the webhook gives the container whole CPUs: its pod is Guaranteed, it declared whole
// ones, and its limits may be changed.
func (c Container) KeepsCPUsWhole(declared corev1.ResourceRequirements, guaranteed bool) bool {
	return guaranteed && c.ControlledLimits && c.Controls(corev1.ResourceCPU) && whole(declared.Limits[corev1.ResourceCPU])
}

func whole(cpu resource.Quantity) bool {
	amount, ok := amountOf(corev1.ResourceCPU, cpu)
	return ok && amount%milliPerCore == 0
}

// wholeCPU rounds request up to whole CPUs, or down where that would pass maxAllowed; false if no
// whole CPU fits under it.
func (s step) wholeCPU(request resource.Quantity) (resource.Quantity, bool) {
	amount, _ := amountOf(s.name, request)
	amount = roundUp(amount, milliPerCore)
	if highest, ok := boundOf(s.Policy.Max, s.name); ok {
		if most, sane := amountOf(s.name, highest); sane {
			amount = min(amount, most/milliPerCore*milliPerCore)
		}
		if amount == 0 {
			return s.skip("no whole CPU fits under maxAllowed %s", highest.String())
		}
	}
	return quantityOf(s.name, amount, resource.DecimalSI), true
}

// under keeps the request at or below a limit that is not ours to change.
func (s step) under(request, limit resource.Quantity) {
	if request.Cmp(limit) <= 0 {
		s.set(request, nil)
		return
	}
	declared := s.Declared.Requests[s.name]
	if !Sane(s.name, limit) || limit.Cmp(declared) < 0 {
		s.skip("request %s would exceed the limit %s", request.String(), limit.String())
		return
	}
	s.note("request %s lowered to the limit %s", request.String(), limit.String())
	s.set(limit, nil)
}

func (s step) set(request resource.Quantity, limit *resource.Quantity) {
	if s.decision.Requests == nil {
		s.decision.Requests = corev1.ResourceList{}
	}
	s.decision.Requests[s.name] = request
	if limit == nil {
		return
	}
	if s.decision.Limits == nil {
		s.decision.Limits = corev1.ResourceList{}
	}
	s.decision.Limits[s.name] = *limit
}

func (s step) note(format string, args ...any) {
	s.decision.Notes = append(s.decision.Notes, Note{
		Resource: s.name,
		Text:     fmt.Sprintf("%s: "+format, append([]any{s.name}, args...)...),
	})
}

func (s step) skip(format string, args ...any) (resource.Quantity, bool) {
	s.decision.Notes = append(s.decision.Notes, Note{
		Resource: s.name,
		Skipped:  true,
		Text:     fmt.Sprintf("%s left as declared: "+format, append([]any{s.name}, args...)...),
	})
	return resource.Quantity{}, false
}
