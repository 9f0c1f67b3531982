package policy

import (
	"math/bits"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// LimitPolicy says how the limit of a container follows from its request.
type LimitPolicy struct {
	CPU, Memory LimitRule
}

// LimitRule is the policy of one resource: limit = roundUp(max(declared limit, Multiple x request)).
type LimitRule struct {
	// Multiple of the request that the limit is to have room for, exact to thousandths. At most
	// 1000; a multiple below 1 acts as 1, since no limit may be below its request.
	Multiple resource.Quantity
	// Round is the unit that limits are rounded up to: cores or bytes. Zero does not round.
	Round resource.Quantity
}

// maxMultiple keeps multiple x request within what 128 bits divided by 1000 give back in 64.
const maxMultiple = 1000

// DefaultLimitPolicy gives room for twice the request. CPU is rounded up to whole cores, because a
// fractional limit throttles under the kernel's quota even where the machine is idle; memory to
// whole MiB, so that limits stay readable.
func DefaultLimitPolicy() LimitPolicy {
	double := *resource.NewQuantity(2, resource.DecimalSI)
	return LimitPolicy{
		CPU:    LimitRule{Multiple: double, Round: *resource.NewQuantity(1, resource.DecimalSI)},
		Memory: LimitRule{Multiple: double, Round: *resource.NewQuantity(1<<20, resource.BinarySI)},
	}
}

// Limit returns the limit of the resource called name for a container that declared declaredLimit
// and is to request request. It is never below either. False if one of them, or the limit itself,
// is no Sane amount: then there is no limit to set.
func (p LimitPolicy) Limit(name corev1.ResourceName, declaredLimit, request resource.Quantity) (resource.Quantity, bool) {
	floor, ok := amountOf(name, declaredLimit)
	if !ok {
		return resource.Quantity{}, false
	}
	wanted, ok := amountOf(name, request)
	if !ok {
		return resource.Quantity{}, false
	}
	rule := p.Memory
	if name == corev1.ResourceCPU {
		rule = p.CPU
	}
	amount := roundUp(max(floor, wanted, rule.times(wanted)), rule.unit(name))
	limit := quantityOf(name, amount, format(name))
	return limit, Sane(name, limit)
}

// times is Multiple x amount rounded up, exactly.
func (r LimitRule) times(amount int64) int64 {
	multiple := r.Multiple
	if multiple.CmpInt64(maxMultiple) > 0 {
		multiple = *resource.NewQuantity(maxMultiple, resource.DecimalSI)
	}
	if multiple.Sign() < 0 {
		return 0
	}
	thousandths := multiple.MilliValue()
	high, low := bits.Mul64(uint64(amount), uint64(thousandths))
	low, carry := bits.Add64(low, 999, 0)
	product, _ := bits.Div64(high+carry, low, 1000)
	return int64(product)
}

// unit is Round in milli-CPU or bytes; 1 where rounding is off or the unit is no Sane amount.
func (r LimitRule) unit(name corev1.ResourceName) int64 {
	if unit, ok := amountOf(name, r.Round); ok {
		return unit
	}
	return 1
}

// format makes CPU print as 500m or 3, and memory as 512Mi.
func format(name corev1.ResourceName) resource.Format {
	if name == corev1.ResourceCPU {
		return resource.DecimalSI
	}
	return resource.BinarySI
}
