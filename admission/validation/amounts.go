package validation

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Bounds of what a VPA may say of CPU and memory, beyond which no container can be.
var bounds = map[corev1.ResourceName]struct{ lowest, highest resource.Quantity }{
	corev1.ResourceCPU:    {*resource.NewMilliQuantity(policy.MinCPU, resource.DecimalSI), *resource.NewMilliQuantity(policy.MaxCPU, resource.DecimalSI)},
	corev1.ResourceMemory: {*resource.NewQuantity(policy.MinMemory, resource.BinarySI), *resource.NewQuantity(policy.MaxMemory, resource.DecimalSI)},
}

// wild reports whether q is so large, or so close to nothing, that counting with it takes seconds: 1e10000000 is a
// quantity, of ten million digits.
func wild(q resource.Quantity) bool {
	about := q.AsApproximateFloat64()
	return q.Sign() != 0 && (about > 1e36 || about < -1e36 || about < 1e-18 && about > -1e-18)
}

// amount checks an amount of a resource that a VPA names; a maximum leaves room for a container.
func (c *checker) amount(name corev1.ResourceName, q resource.Quantity, at *field.Path, maximum bool) {
	switch {
	case wild(q):
		c.addOurs(field.Invalid(at, q.String(), "must be an amount that a machine can have; check its exponent"))
		return
	case name == corev1.ResourceCPU:
		c.wholeMillicores(q, at)
	case name == corev1.ResourceMemory:
		if _, exact := q.AsScale(0); !exact {
			c.add(field.Invalid(at, q.String(), "must be a whole number of bytes"))
		}
	default:
		c.warn("%s: only cpu and memory are recommended, so that this has no effect", at)
	}
	limits, known := bounds[name]
	switch {
	case q.Sign() < 0:
		c.addOurs(field.Invalid(at, q.String(), "must not be negative; remove it if there is no bound"))
	case !known:
	case q.Cmp(limits.highest) > 0:
		c.addOurs(field.Invalid(at, q.String(), fmt.Sprintf("must be at most %s, which is more than any machine has; check its unit", &limits.highest)))
	case maximum && q.Cmp(limits.lowest) < 0:
		c.addOurs(field.Invalid(at, q.String(), fmt.Sprintf("must be at least %s, or no container could start; check its unit, or set controlledResources to leave %s alone", &limits.lowest, name)))
	}
}

func (c *checker) wholeMillicores(q resource.Quantity, at *field.Path) {
	if _, exact := q.AsScale(resource.Milli); !exact {
		c.add(field.Invalid(at, q.String(), "must be a whole number of milli CPUs"))
	}
}
