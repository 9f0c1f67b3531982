package webhook

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Ranges knows the LimitRanges of all namespaces, those of a namespace in one.
type Ranges struct {
	*namespaced[*corev1.LimitRange, *policy.Ranges]
}

var _ LimitRanges = (*Ranges)(nil)

// NewRanges returns Ranges that know no LimitRange.
func NewRanges() *Ranges { return &Ranges{newNamespaced(policy.RangesOf)} }

// unbounded is what namespaces without LimitRanges have.
var unbounded = policy.RangesOf(nil)

// Of implements LimitRanges.
func (x *Ranges) Of(namespace string) *policy.Ranges {
	if ranges, ok := x.of(namespace); ok {
		return ranges
	}
	return unbounded
}

// Quotas knows what the ResourceQuotas of all namespaces leave.
type Quotas struct {
	*namespaced[*corev1.ResourceQuota, []policy.Quota]
}

var _ ResourceQuotas = (*Quotas)(nil)

// NewQuotas returns Quotas that know no ResourceQuota.
func NewQuotas() *Quotas { return &Quotas{newNamespaced(policy.QuotasOf)} }

// Of implements ResourceQuotas.
func (x *Quotas) Of(namespace string) []policy.Quota {
	quotas, _ := x.of(namespace)
	return quotas
}
