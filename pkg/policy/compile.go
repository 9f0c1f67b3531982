package policy

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Bounds that are none of the container policy's: Global.MaxAllowed, and what a pod declared; see Compiled.Floor.
const (
	GlobalMaxAllowed Bound = "the global maximum"
	DeclaredRequest  Bound = "the declared request"
)

// Global is what bounds containers in the whole cluster.
type Global struct {
	// MaxAllowed holds for the resources that a VPA's maxAllowed does not name; nil bounds nothing.
	MaxAllowed corev1.ResourceList
}

// Rounding holds, by usage.Resource, the unit that recommendations are rounded up to, in millicores and
// in bytes. Units up to 1 do not round.
type Rounding [len(usage.Resources)]usage.Amount

// Compiled is a Container with its quantities turned into amounts, so that applying it costs no more than
// a few comparisons. It is made when the VPA changes.
type Compiled struct {
	rules [len(usage.Resources)]rule
}

// rule is what happens to the values of one resource.
type rule struct {
	// unit and whole are rounded up to, one after the other; 1 does not round.
	unit, whole usage.Amount
	// lowest is 0 and highest unbounded where there is no bound.
	lowest, highest usage.Amount
	// highestIs says whose bound highest is.
	highestIs Bound
	// floor is what nothing is below, whatever the other bounds.
	floor      usage.Amount
	controlled bool
}

const unbounded usage.Amount = math.MaxInt64

// Compile returns c's policy under the cluster's bounds and units. Set integerCPU where the VPA asks for
// whole CPUs (see IntegerCPU).
func (c Container) Compile(g Global, r Rounding, integerCPU bool) Compiled {
	var compiled Compiled
	for _, kind := range usage.Resources {
		name := corev1.ResourceName(kind.String())
		one := rule{unit: max(1, min(r[kind], usage.MaxAmount)), whole: 1, highest: unbounded, controlled: c.Controls(name)}
		if kind == usage.CPU && integerCPU {
			one.whole = milliPerCore
		}
		if q, ok := boundOf(c.Min, name); ok {
			one.lowest = min(amountOfBound(kind, q), usage.MaxAmount)
		}
		highest, is := c.Max, MaxAllowed
		if _, own := c.Max[name]; !own {
			highest, is = g.MaxAllowed, GlobalMaxAllowed
		}
		if q, ok := boundOf(highest, name); ok {
			one.highest, one.highestIs = amountOfBound(kind, q), is
		}
		compiled.rules[kind] = one
	}
	return compiled
}

// Floor returns c for a container whose requests the webhook does not let go below these amounts (see Rules.Floor).
func (c Compiled) Floor(amounts [len(usage.Resources)]usage.Amount) Compiled {
	for _, kind := range usage.Resources {
		c.rules[kind].floor = amounts[kind]
	}
	return c
}

// WholeCPUs returns c for a container whose CPU the webhook keeps whole (see Rules.CPUsStayWhole): its values and both
// of its bounds are. False where no whole CPU fits under the maximum, so that the webhook leaves it as declared.
func (c Compiled) WholeCPUs() (Compiled, bool) {
	cpu := &c.rules[usage.CPU]
	if cpu.highest < milliPerCore && cpu.floor == 0 {
		return c, false
	}
	cpu.whole = milliPerCore
	cpu.lowest = usage.Amount(roundUp(int64(cpu.lowest), milliPerCore))
	if cpu.highest < unbounded {
		cpu.highest = cpu.highest / milliPerCore * milliPerCore
	}
	return c, true
}

// Given returns c with what the webhook adds to the requests of the pod's container called name by its rules: the declared
// ones, where they are not to go below these, and whole CPUs. What is recommended has to have it, too, or upstream's updater
// would evict the pod for requests that it cannot have.
func (c Compiled) Given(rules *Rules, p *Pod, name string) Compiled {
	c = c.Floor(rules.Floor(p, name))
	if rules.CPUsStayWhole(p, name) {
		if whole, fits := c.WholeCPUs(); fits {
			return whole
		}
	}
	return c
}

// Apply takes an estimate of r through the policy, in upstream's order: uncapped is v rounded up, capped is
// that raised to minAllowed and then lowered to maxAllowed, but not below the floor, and bound is which of them moved it. It does not
// allocate. Rounding may pass usage.MaxAmount by less than a unit.
func (c *Compiled) Apply(r usage.Resource, v usage.Amount) (uncapped, capped usage.Amount, bound Bound) {
	rule := &c.rules[r]
	uncapped = usage.Amount(roundUp(roundUp(int64(v), int64(rule.unit)), int64(rule.whole)))
	capped = uncapped
	if capped < rule.lowest {
		capped, bound = rule.lowest, MinAllowed
	}
	if capped > rule.highest {
		capped, bound = rule.highest, rule.highestIs
	}
	if capped < rule.floor {
		capped, bound = rule.floor, DeclaredRequest
	}
	return uncapped, capped, bound
}

// Controls reports whether the policy lets r be recommended.
func (c *Compiled) Controls(r usage.Resource) bool { return c.rules[r].controlled }

// Contradicts reports whether what bounds r from above, be it the VPA's or the cluster's, is below minAllowed.
func (c *Compiled) Contradicts(r usage.Resource) bool { return c.rules[r].highest < c.rules[r].lowest }

// amountOfBound turns a bound into an Amount; unbounded if it is beyond usage.MaxAmount. One that is finer
// than a millicore or a byte is rounded up, as the API server does with what pods request. One below 0 acts
// as 0. Absurd bounds lead to absurd values, which the webhook refuses to act on.
func amountOfBound(r usage.Resource, q resource.Quantity) usage.Amount {
	scale, most := resource.Scale(0), float64(usage.MaxAmount)
	if r == usage.CPU {
		scale, most = resource.Milli, most/milliPerCore
	}
	// The approximation comes first: comparing takes seconds for 1e10000000, which the API lets a VPA say.
	switch about := q.AsApproximateFloat64(); {
	case q.Sign() < 0:
		return 0
	case about < tiny:
		return 1
	case about > 2*most || q.Cmp(*resource.NewScaledQuantity(int64(usage.MaxAmount), scale)) > 0:
		return unbounded
	}
	return usage.Amount(q.ScaledValue(scale))
}

// IntegerCPU reports whether a VPA with these annotations asks for whole CPUs for the container, with
// upstream's annotation: vpa-post-processor.kubernetes.io/CONTAINER_integerCPU=true.
func IntegerCPU(annotations map[string]string, container string) bool {
	return container != "" && annotations["vpa-post-processor.kubernetes.io/"+container+"_integerCPU"] == "true"
}
