package policy

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// UsageRules are what a VPA may say of how a container's usage is learnt.
type UsageRules struct {
	// MemoryInterval is the time over which one memory peak is taken, at least a second.
	MemoryInterval time.Duration
	// MemoryIntervalCount is how many of these intervals count, at least 1.
	MemoryIntervalCount int64
	// OOMBumpUpRatio is what the memory at an OOM kill is multiplied with, at least 1; OOMMinBumpUp is what
	// is added to it at least, in bytes.
	OOMBumpUpRatio float64
	OOMMinBumpUp   usage.Amount
}

// maxBumpUpRatio is far beyond any use, and small enough that a Quantity's thousandths do not wrap around.
const maxBumpUpRatio = 1000

// UsageRules returns defaults with what the container's policy says in their place. A value out of range is
// ignored. The fields are upstream's, behind its feature gate PerVPAConfig: do not call it where that is off.
func (c Container) UsageRules(defaults UsageRules) UsageRules {
	rules, p := defaults, c.source
	if p == nil {
		return rules
	}
	if s := p.MemoryAggregationIntervalSeconds; s != nil && *s >= 1 {
		rules.MemoryInterval = time.Duration(*s) * time.Second
	}
	if n := p.MemoryAggregationIntervalCount; n != nil && *n >= 1 {
		rules.MemoryIntervalCount = *n
	}
	if q := p.OOMBumpUpRatio; q != nil && q.CmpInt64(1) >= 0 && q.CmpInt64(maxBumpUpRatio) <= 0 {
		rules.OOMBumpUpRatio = float64(q.MilliValue()) / 1000
	}
	if q := p.OOMMinBumpUp; q != nil && sensible(*q) {
		rules.OOMMinBumpUp = usage.Amount(q.Value())
	}
	return rules
}

func sensible(bytes resource.Quantity) bool {
	return bytes.Sign() >= 0 && bytes.CmpInt64(int64(usage.MaxAmount)) <= 0
}

// ContainerMinimum holds, by usage.Resource, the least that is recommended for a container, in millicores
// and in bytes. nil stands for the container's share of the pod's minimum.
type ContainerMinimum [len(usage.Resources)]*usage.Amount

// Share returns m, with the container's share of the pod's minimum where m says nothing.
func (m ContainerMinimum) Share(share [len(usage.Resources)]usage.Amount) [len(usage.Resources)]usage.Amount {
	for r, amount := range m {
		if amount != nil {
			share[r] = *amount
		}
	}
	return share
}
