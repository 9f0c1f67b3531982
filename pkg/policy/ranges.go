package policy

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Ranges are all LimitRanges of a namespace in one, as Kubernetes' LimitRanger enforces them: each item of each of them
// holds, so that the largest minimum, the smallest maximum and the smallest ratio do. They are read only, and made
// when a LimitRange changes. A nil *Ranges bounds nothing, and knows nothing of defaults.
type Ranges struct {
	container, pod [len(usage.Resources)]span
	// requests and limits are what the LimitRanger may have filled in for containers that say nothing.
	requests, limits [len(usage.Resources)][]int64
}

// span is what bounds one resource. Requests and limits must both be in it. It is not set where it is not said.
type span struct {
	// min has to be requested, max to be a limit: who has a span with them and says nothing is refused.
	min, max Value
	// ratio is the most that a limit may be of its request, in thousandths; 0 if nothing bounds it.
	ratio int64
}

// RangesOf returns all of a namespace's LimitRanges in one.
func RangesOf(all []*corev1.LimitRange) *Ranges {
	ranges := &Ranges{}
	for _, one := range all {
		for i := range one.Spec.Limits {
			ranges.add(&one.Spec.Limits[i])
		}
	}
	return ranges
}

func (x *Ranges) add(item *corev1.LimitRangeItem) {
	spans := &x.container
	switch item.Type {
	case corev1.LimitTypeContainer:
	case corev1.LimitTypePod:
		spans = &x.pod
	default:
		return
	}
	for _, r := range usage.Resources {
		name := resourceName(r)
		if q, ok := item.Min[name]; ok {
			v := ValueOf(r, q)
			if v.amount = max(v.amount, 0); !spans[r].min.IsSet() || v.amount > spans[r].min.amount {
				spans[r].min = v
			}
		}
		if q, ok := item.Max[name]; ok {
			v := floorOf(r, q)
			if v.amount = max(v.amount, 0); !spans[r].max.IsSet() || v.amount < spans[r].max.amount {
				spans[r].max = v
			}
		}
		if q, ok := item.MaxLimitRequestRatio[name]; ok {
			if ratio := ratioOf(q); spans[r].ratio == 0 || ratio < spans[r].ratio {
				spans[r].ratio = ratio
			}
		}
		if item.Type == corev1.LimitTypeContainer {
			x.requests[r] = appendAmount(x.requests[r], item.DefaultRequest, r)
			x.limits[r] = appendAmount(x.limits[r], item.Default, r)
		}
	}
}

// floorOf is ValueOf rounding down, as a maximum has to be.
func floorOf(r usage.Resource, q resource.Quantity) Value {
	v := ValueOf(r, q)
	if v.is == fraction {
		v.amount, v.is = v.amount-1, exact
	}
	return v
}

// maxRatio is beyond what limits and requests that a container can be given differ by. Less than nothing is nothing.
const maxRatio = math.MaxInt64 / 1000

func ratioOf(q resource.Quantity) int64 {
	switch about := q.AsApproximateFloat64(); {
	case about <= tiny:
		return 1
	case about >= maxRatio/1000:
		return maxRatio
	}
	return q.MilliValue()
}

func appendAmount(to []int64, list corev1.ResourceList, r usage.Resource) []int64 {
	q, ok := list[resourceName(r)]
	if !ok {
		return to
	}
	if amount := ValueOf(r, q).amount; !slices.Contains(to, amount) {
		to = append(to, amount)
	}
	return to
}

// filled reports whether a default may have given the amount. Whoever knows no LimitRanges believes it.
func (x *Ranges) filled(m marks, r usage.Resource, v Value) bool {
	if x == nil {
		return true
	}
	if m == limitMark(r) {
		return slices.Contains(x.limits[r], v.amount)
	}
	return slices.Contains(x.requests[r], v.amount)
}

func (x *Ranges) ofContainer(r usage.Resource) span {
	if x == nil {
		return span{}
	}
	return x.container[r]
}

func (x *Ranges) ofPod(r usage.Resource) span {
	if x == nil {
		return span{}
	}
	return x.pod[r]
}

// breach is what the LimitRanger would refuse a request and a limit for; ByNothing if nothing.
func (s *span) breach(r usage.Resource, request, limit Value) Reason {
	switch {
	case s.min.IsSet() && (!request.IsSet() || request.amount < s.min.amount || limit.IsSet() && limit.amount < s.min.amount):
		return ByRangeMin
	case s.max.IsSet() && (!limit.IsSet() || limit.amount > s.max.amount || request.IsSet() && request.amount > s.max.amount):
		return ByRangeMax
	case s.ratio != 0 && (request.amount <= 0 || limit.amount <= 0 || s.exceeds(r, request.amount, limit.amount)):
		return ByRangeRatio
	}
	return ByNothing
}

// exceeds compares as the LimitRanger does, in float64, lest it finds a limit of exactly the ratio to be above it.
func (s *span) exceeds(r usage.Resource, request, limit int64) bool {
	if r == usage.Memory && max(request, limit) <= resource.MaxMilliValue {
		request, limit = request*1000, limit*1000
	}
	return float64(limit)/float64(request)*1000 > float64(s.ratio)
}

// mostFor is the largest limit that the ratio gives a request.
func (s *span) mostFor(r usage.Resource, request int64) int64 {
	limit := mulDiv(request, s.ratio, 1000, false)
	for limit > request && s.exceeds(r, request, limit) {
		limit--
	}
	return limit
}

// leastFor is the smallest request that the ratio gives a limit.
func (s *span) leastFor(r usage.Resource, limit int64) int64 {
	request := max(1, mulDiv(limit, 1000, s.ratio, true))
	for request < limit && s.exceeds(r, request, limit) {
		request++
	}
	return request
}
