package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/features"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

const (
	// maxFactor is what an OOM kill, or a start, may multiply a request with: thousandfold is a typing error.
	maxFactor = 1000
	// maxWindow is the longest that memory's peaks may be looked back at, in seconds: ten years.
	maxWindow int64 = 10 * 365 * 24 * 60 * 60
	// maxBoost is how long a start may be boosted, in seconds: a day.
	maxBoost = 24 * 60 * 60
)

// usage checks what a policy says of how usage is learnt, which is behind the gate PerVPAConfig.
func (c *checker) usage(p *vpav1.ContainerResourcePolicy, at *field.Path) {
	if q := p.OOMBumpUpRatio; q != nil {
		c.bumpUpRatio(*q, at.Child("oomBumpUpRatio"))
	}
	if q := p.OOMMinBumpUp; q != nil {
		c.minBumpUp(*q, at.Child("oomMinBumpUp"))
	}
	seconds, count := p.MemoryAggregationIntervalSeconds, p.MemoryAggregationIntervalCount
	each := int64(24 * 60 * 60) // the default
	if seconds != nil {
		at := at.Child("memoryAggregationIntervalSeconds")
		c.atLeastOne(int64(*seconds), *seconds, at)
		if c.allowed.perVPAConfig && int64(*seconds) > maxWindow {
			c.addOurs(field.Invalid(at, *seconds, fmt.Sprintf("must be at most %d, which are ten years", maxWindow)))
		}
		each = min(max(1, int64(*seconds)), maxWindow)
	}
	if count != nil {
		at := at.Child("memoryAggregationIntervalCount")
		c.atLeastOne(*count, *count, at)
		if c.allowed.perVPAConfig && *count > maxWindow/each {
			c.addOurs(field.Invalid(at, *count, fmt.Sprintf("must be at most %d with intervals of %d seconds, which are ten years", maxWindow/each, each)))
		}
	}
}

func (c *checker) atLeastOne(n int64, value any, at *field.Path) {
	if !c.allowed.perVPAConfig {
		c.needsPerVPAConfig(at)
	} else if n < 1 {
		c.add(field.Invalid(at, value, "must be greater than or equal to 1"))
	}
}

func (c *checker) bumpUpRatio(q resource.Quantity, at *field.Path) {
	switch {
	case !c.allowed.perVPAConfig:
		c.needsPerVPAConfig(at)
	case wild(q) || q.CmpInt64(maxFactor) > 0 || q.CmpInt64(-maxFactor) < 0:
		c.addOurs(field.Invalid(at, q.String(), fmt.Sprintf("must be from 1 to %d", maxFactor)))
	default:
		if ratio := float64(q.MilliValue()) / 1000; ratio < 1 {
			c.add(field.Invalid(at, ratio, "must be greater than or equal to 1.0"))
		}
	}
}

func (c *checker) minBumpUp(q resource.Quantity, at *field.Path) {
	switch {
	case !c.allowed.perVPAConfig:
		c.needsPerVPAConfig(at)
	case wild(q) || q.CmpInt64(policy.MaxMemory) > 0 || q.CmpInt64(-policy.MaxMemory) < 0:
		c.addOurs(field.Invalid(at, q.String(), "must be an amount of memory that a machine can have; check its unit"))
	default:
		if bytes := q.Value(); bytes < 0 {
			c.add(field.Invalid(at, bytes, "must be greater than or equal to 0"))
		}
	}
}

func (c *checker) startupBoost(b *vpav1.StartupBoost, at *field.Path) {
	if !c.allowed.startupBoost {
		c.add(field.Forbidden(at, fmt.Sprintf("in order to use startupBoost, you must enable feature gate %s in the admission-controller args", features.CPUStartupBoost)))
		return
	}
	if b.CPU == nil {
		return
	}
	cpu := at.Child("cpu")
	if d := b.CPU.DurationSeconds; d != nil && (*d < 0 || *d > maxBoost) {
		c.addOurs(field.Invalid(cpu.Child("durationSeconds"), *d, fmt.Sprintf("must be from 0 to %d, which is a day", maxBoost)))
	}
	switch b.CPU.Type {
	case "":
		c.add(field.Required(cpu.Child("type"), fmt.Sprintf("must be either %s or %s", vpav1.FactorStartupBoostType, vpav1.QuantityStartupBoostType)))
	case vpav1.FactorStartupBoostType:
		c.boostFactor(b.CPU.Factor, cpu.Child("factor"))
	case vpav1.QuantityStartupBoostType:
		if q := b.CPU.Quantity; q == nil {
			c.add(field.Required(cpu.Child("quantity"), "required when type is Quantity"))
		} else {
			c.amount("cpu", *q, cpu.Child("quantity"), false)
		}
	default:
		c.add(field.NotSupported(cpu.Child("type"), b.CPU.Type, []string{string(vpav1.FactorStartupBoostType), string(vpav1.QuantityStartupBoostType)}))
	}
}

func (c *checker) boostFactor(factor *int32, at *field.Path) {
	switch {
	case factor == nil:
		c.add(field.Required(at, "required when type is Factor"))
	case *factor < 1:
		c.add(field.Invalid(at, *factor, "must be >= 1 for type Factor"))
	case *factor > maxFactor:
		c.addOurs(field.Invalid(at, *factor, fmt.Sprintf("must be at most %d", maxFactor)))
	}
}
