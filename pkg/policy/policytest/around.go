package policytest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LimitRangesAround are one to three of a namespace's that the pod as it is most often keeps, and what is recommended
// for it often does not: their bounds are what it asks for, or somewhat beyond. Where it says nothing, they say anything.
// Defaults are left for the API server to set, but for some.
func (m Maker) LimitRangesAround(pod *corev1.Pod) []*corev1.LimitRange {
	containers, whole := extents(pod)
	var ranges []*corev1.LimitRange
	for i := range 1 + m.IntN(3) {
		one := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("range-%d", i), Namespace: pod.Namespace}}
		if !m.One(3) {
			one.Spec.Limits = append(one.Spec.Limits, m.around(corev1.LimitTypeContainer, containers))
		}
		if m.One(2) {
			one.Spec.Limits = append(one.Spec.Limits, m.around(corev1.LimitTypePod, whole))
		}
		ranges = append(ranges, one)
	}
	return ranges
}

// extent is how far a pod's amounts of one resource go: the smallest request and the largest limit, which are the sums
// where they are of the pod as a whole. Zero stands for nothing.
type extent struct{ least, most resource.Quantity }

func extents(pod *corev1.Pod) (containers, whole map[corev1.ResourceName]extent) {
	containers, whole = map[corev1.ResourceName]extent{}, map[corev1.ResourceName]extent{}
	for _, name := range both {
		var each, sum extent
		for i := range pod.Spec.Containers {
			each.add(pod.Spec.Containers[i].Resources, name, false)
			sum.add(pod.Spec.Containers[i].Resources, name, true)
		}
		for i := range pod.Spec.InitContainers {
			c := &pod.Spec.InitContainers[i]
			each.add(c.Resources, name, false)
			sum.add(c.Resources, name, c.RestartPolicy != nil)
		}
		if level := pod.Spec.Resources; level != nil {
			sum = extent{level.Requests[name], level.Limits[name]}
		}
		containers[name], whole[name] = each, sum
	}
	return containers, whole
}

// add makes x reach as far as r does, or as far as both do together.
func (x *extent) add(r corev1.ResourceRequirements, name corev1.ResourceName, together bool) {
	request, requested := r.Requests[name]
	limit, limited := r.Limits[name]
	if !requested {
		request = limit
	}
	switch {
	case together:
		x.least.Add(request)
		x.most.Add(limit)
		return
	case (requested || limited) && (x.least.IsZero() || request.Cmp(x.least) < 0):
		x.least = request
	}
	if limit.Cmp(x.most) > 0 {
		x.most = limit
	}
}

// around is an item that amounts of this extent keep, most often.
func (m Maker) around(kind corev1.LimitType, extents map[corev1.ResourceName]extent) corev1.LimitRangeItem {
	item := corev1.LimitRangeItem{Type: kind, Min: corev1.ResourceList{}, Max: corev1.ResourceList{}, MaxLimitRequestRatio: corev1.ResourceList{},
		Default: corev1.ResourceList{}, DefaultRequest: corev1.ResourceList{}}
	for _, name := range both {
		x := extents[name]
		if x.least.IsZero() {
			x.least = m.Amount(name)
		}
		if x.most.IsZero() {
			if x.most = m.Amount(name); x.most.Cmp(x.least) < 0 {
				x.most = x.least
			}
		}
		if m.One(3) {
			item.Min[name] = scaled(name, x.least, 1, []int64{1, 1, 2, 10}[m.IntN(4)])
		}
		if m.One(3) {
			item.Max[name] = scaled(name, x.most, []int64{4, 4, 5, 8, 40}[m.IntN(5)], 4)
		}
		if m.One(6) {
			if ratio := x.most.AsApproximateFloat64() / x.least.AsApproximateFloat64() * []float64{1, 1.1, 2}[m.IntN(3)]; ratio >= 1 && ratio < 1e9 {
				item.MaxLimitRequestRatio[name] = *resource.NewMilliQuantity(int64(ratio*1000)+1, resource.DecimalSI)
			}
		}
		if kind == corev1.LimitTypeContainer && m.One(4) {
			item.Default[name] = x.most
			if m.One(2) {
				item.DefaultRequest[name] = x.least
			}
		}
	}
	return item
}

// scaled is q x times / of, at least the smallest amount there is; q itself where that cannot be computed.
func scaled(name corev1.ResourceName, q resource.Quantity, times, of int64) resource.Quantity {
	amount, format := q.Value(), q.Format
	if name == corev1.ResourceCPU {
		amount = q.MilliValue()
	}
	if times == of || amount <= 0 || amount > 1<<55 {
		return q
	}
	if amount = max(1, amount*times/of); name == corev1.ResourceCPU {
		return *resource.NewMilliQuantity(amount, format)
	}
	return *resource.NewQuantity(amount, format)
}
