package policy

import (
	"math/bits"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// LimitMode says how a container's limit follows from its request.
type LimitMode string

// The modes of a LimitRule.
const (
	// LimitMultiple: roundUp(max(declared limit, multiple x request)), and no more than a maximum.
	LimitMultiple LimitMode = "multiple"
	// LimitProportional keeps the declared ratio of limit to request, as upstream does.
	LimitProportional LimitMode = "proportional"
	// LimitNone leaves the limit as it was declared.
	LimitNone LimitMode = "none"
)

// LimitPolicy says how limits follow from requests. As YAML or JSON it is the file that both programs read; see
// ParseLimitPolicy.
type LimitPolicy struct {
	CPU    LimitRule `json:"cpu"`
	Memory LimitRule `json:"memory"`
	// MaxAllowedBoundsLimit makes a VPA's maxAllowed bound limits, too. Off, limits may exceed it, as peaks need.
	MaxAllowedBoundsLimit bool `json:"maxAllowedBoundsLimit"`
}

// LimitRule is the policy of one resource.
type LimitRule struct {
	// Mode is LimitMultiple if it is empty.
	Mode LimitMode `json:"mode"`
	// Multiple of the request that the limit is to have room for, exact to thousandths. At most
	// 1000; a multiple below 1 acts as 1, since no limit may be below its request.
	Multiple resource.Quantity `json:"multiple"`
	// Round is the unit that limits are rounded up to: cores or bytes. Zero does not round.
	Round resource.Quantity `json:"round"`
	// Max is what limits are not raised above; a declared limit, or a request, that is higher stays. Zero bounds nothing.
	Max resource.Quantity `json:"max"`
}

// maxMultiple is far beyond any use.
const maxMultiple = 1000

// DefaultLimitPolicy gives room for twice the request. CPU is rounded up to whole cores, because a
// fractional limit throttles under the kernel's quota even where the machine is idle; memory to
// whole MiB, so that limits stay readable.
func DefaultLimitPolicy() LimitPolicy {
	double := *resource.NewQuantity(2, resource.DecimalSI)
	return LimitPolicy{
		CPU:    LimitRule{Mode: LimitMultiple, Multiple: double, Round: *resource.NewQuantity(1, resource.DecimalSI)},
		Memory: LimitRule{Mode: LimitMultiple, Multiple: double, Round: *resource.NewQuantity(1<<20, resource.BinarySI)},
	}
}

func (p *LimitPolicy) rule(r usage.Resource) *LimitRule {
	if r == usage.CPU {
		return &p.CPU
	}
	return &p.Memory
}

// limitRule is a LimitRule in milli-CPU or bytes.
type limitRule struct {
	mode LimitMode
	// thousandths of the request are the limit; unit is rounded up to, and 1 does not round; most is 0 where nothing
	// bounds the limit.
	thousandths, unit, most int64
}

// compile turns quantities into amounts. Those that make no sense are as if they were not said.
func (r LimitRule) compile(kind usage.Resource) limitRule {
	c := limitRule{mode: r.Mode, unit: 1}
	if c.mode == "" {
		c.mode = LimitMultiple
	}
	switch about := r.Multiple.AsApproximateFloat64(); {
	case about > maxMultiple:
		c.thousandths = maxMultiple * 1000
	case about > tiny:
		c.thousandths = r.Multiple.MilliValue()
	}
	if v := ValueOf(kind, r.Round); v.is == exact {
		c.unit = max(1, v.amount)
	}
	if v := ValueOf(kind, r.Max); v.is == exact {
		c.most = v.amount
	}
	return c
}

// limit is roundUp(max(declared, multiple x request)), but no more than the maximum if declared and request are not.
func (c *limitRule) limit(declared, request int64) int64 {
	limit := roundUp(max(declared, request, mulDiv(request, c.thousandths, 1000, true)), c.unit)
	if c.most > 0 {
		limit = min(limit, max(c.most, declared, request))
	}
	return limit
}

// roundDown rounds a limit that has to be lowered down to the unit, where it does not fall below lowest by that.
func (c *limitRule) roundDown(limit, lowest int64) int64 {
	if whole := limit / c.unit * c.unit; whole >= lowest {
		return whole
	}
	return limit
}

// beyond is more than any amount, and small enough that a few of them do not overflow.
const beyond int64 = 1 << 60

// mulDiv is a x b / c in whole numbers, rounded up or down, and beyond if it is more than that. None may be negative,
// and c not 0.
func mulDiv(a, b, c int64, up bool) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high >= uint64(c) {
		return beyond
	}
	quotient, rest := bits.Div64(high, low, uint64(c))
	if up && rest > 0 {
		quotient++
	}
	return int64(min(quotient, uint64(beyond)))
}
