package policy

import (
	"math"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Value is an amount of CPU or memory as a pod, a policy or a status says it: in milli-CPU or in bytes, and
// with the suffixes that it was written with. The zero Value says nothing: it is not set.
type Value struct {
	amount int64
	is     state
	// decimal is set where memory is written as 1500M and not as 1464844Ki.
	decimal bool
}

type state uint8

const (
	unset state = iota
	// exact amounts are those that a pod can be given, or 0.
	exact
	// low ones are negative, or a fraction of the smallest unit; their amount is -1.
	low
	// high ones are beyond all bounds; their amount is the largest int64.
	high
	// fraction is of a byte: its amount is rounded up, which a pod that has it must not be compared with.
	fraction
)

// ValueOf returns q as a Value. An amount that is no whole number of milli-CPU or bytes is rounded up.
func ValueOf(r usage.Resource, q resource.Quantity) Value {
	v := Value{is: exact, decimal: q.Format != resource.BinarySI}
	most, scale := MaxMemory, resource.Scale(0)
	if r == usage.CPU {
		most, scale = MaxCPU/milliPerCore, resource.Milli
	}
	// The approximation comes first: everything else takes seconds for 1e10000000, which the API lets a VPA say.
	switch about := q.AsApproximateFloat64(); {
	case q.Sign() == 0:
		return v
	case q.Sign() < 0 || about < tiny:
		v.amount, v.is = -1, low
		return v
	case about > 2*float64(most) || q.CmpInt64(most) > 0:
		v.amount, v.is = math.MaxInt64, high
		return v
	}
	v.amount = q.ScaledValue(scale)
	if finer := q.ScaledValue(scale - 3); finer != v.amount*1000 {
		v.is = fraction
		if v.amount == 1 {
			v.amount, v.is = -1, low
		}
	}
	return v
}

// tiny is less than any fraction of a milli-CPU that is worth a look.
const tiny = 1e-12

// IsSet reports whether v says anything.
func (v Value) IsSet() bool { return v.is != unset }

// Equals reports whether both are the same amount, in whatever notation, and one that can be computed with.
func (v Value) Equals(other Value) bool {
	return v.is == exact && other.is == exact && v.amount == other.amount
}

// Amount is v in milli-CPU or bytes: 0 if it is not set, -1 if it is below 0 or a fraction of the smallest unit, and
// the largest int64 if it is beyond all bounds.
func (v Value) Amount() int64 { return v.amount }

// absurd reports whether v is set and cannot be computed with exactly.
func (v Value) absurd() bool { return v.is > exact }

// sane reports whether a container can be given v; see Sane.
func (v Value) sane(r usage.Resource) bool {
	return (v.is == exact || v.is == fraction) && saneAmount(r, v.amount)
}

// with is another amount in v's format.
func (v Value) with(amount int64) Value { return Value{amount: amount, is: exact, decimal: v.decimal} }

func saneAmount(r usage.Resource, amount int64) bool {
	if r == usage.CPU {
		return amount >= MinCPU && amount <= MaxCPU
	}
	return amount >= MinMemory && amount <= MaxMemory
}

// Quantity is v as the API has it. It is for values that are set and that a container can be given.
func (v Value) Quantity(r usage.Resource) resource.Quantity {
	format := resource.BinarySI
	if v.decimal || r == usage.CPU {
		format = resource.DecimalSI
	}
	return quantityOf(resourceName(r), v.amount, format)
}

// text is v as its Quantity writes it, for people.
func (v Value) text(r usage.Resource) string {
	switch v.is {
	case unset:
		return "nothing"
	case low, high:
		return "an absurd amount"
	}
	return string(v.AppendText(nil, r))
}

// AppendText appends v as its Quantity writes it, to b.
func (v Value) AppendText(b []byte, r usage.Resource) []byte {
	amount, suffixes, base := v.amount, decimalSuffixes[1:], int64(1000)
	switch {
	case r == usage.CPU:
		suffixes = decimalSuffixes[:]
	case !v.decimal && amount >= 1024:
		suffixes, base = binarySuffixes[:], 1024
	}
	power := 0
	for amount != 0 && amount%base == 0 && power < len(suffixes)-1 {
		amount /= base
		power++
	}
	if amount == 0 {
		return append(b, '0')
	}
	return append(strconv.AppendInt(b, amount, 10), suffixes[power]...)
}

var (
	decimalSuffixes = [...]string{"m", "", "k", "M", "G", "T", "P"}
	binarySuffixes  = [...]string{"", "Ki", "Mi", "Gi", "Ti", "Pi"}
)

// Amounts are values by usage.Resource.
type Amounts [len(usage.Resources)]Value

// Resources are what a container, or a pod as a whole, asks for of CPU and memory.
type Resources struct {
	Requests, Limits Amounts
}

// ResourcesOf returns what r says of CPU and memory.
func ResourcesOf(r corev1.ResourceRequirements) Resources {
	return Resources{Requests: amountsOf(r.Requests), Limits: amountsOf(r.Limits)}
}

func amountsOf(list corev1.ResourceList) Amounts {
	var a Amounts
	if len(list) == 0 {
		return a
	}
	for _, r := range usage.Resources {
		if q, ok := list[resourceName(r)]; ok {
			a[r] = ValueOf(r, q)
		}
	}
	return a
}

// List is a as the API has it, without amounts that no pod can be given; nil if nothing is left.
func (a Amounts) List() corev1.ResourceList {
	var list corev1.ResourceList
	for _, r := range usage.Resources {
		if a[r].is == exact {
			if list == nil {
				list = make(corev1.ResourceList, len(a))
			}
			list[resourceName(r)] = a[r].Quantity(r)
		}
	}
	return list
}

func resourceName(r usage.Resource) corev1.ResourceName {
	if r == usage.CPU {
		return corev1.ResourceCPU
	}
	return corev1.ResourceMemory
}
