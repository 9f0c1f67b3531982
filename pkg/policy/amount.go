package policy

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Requests and limits beyond these bounds are not believed. They come from a corrupted status, a
// typing error in a policy or somebody's bad intent, and patching a pod with one would leave it
// unschedulable, or unable to start.
const (
	// MinCPU is the smallest CPU amount that Kubernetes can express, in milli-CPU.
	MinCPU int64 = 1
	// MaxCPU is more than the largest machines on the market have (1 920 CPUs), in milli-CPU.
	MaxCPU int64 = 2_000_000
	// MinMemory is below what any container runtime starts a process in (4 to 12 MiB), in bytes.
	MinMemory int64 = 1 << 20
	// MaxMemory is where upstream's recommender ends, and three times the largest machine, in bytes.
	MaxMemory int64 = 100_000_000_000_000
)

// Sane reports whether q is an amount of CPU or memory that a container can be given: positive, and
// within the bounds above. It is false for every other resource.
func Sane(name corev1.ResourceName, q resource.Quantity) bool {
	for _, r := range usage.Resources {
		if name == resourceName(r) {
			return ValueOf(r, q).sane(r)
		}
	}
	return false
}

// quantityOf returns an amount in milli-CPU or bytes as the API has it.
func quantityOf(name corev1.ResourceName, amount int64, format resource.Format) resource.Quantity {
	if name == corev1.ResourceCPU {
		return *resource.NewMilliQuantity(amount, format)
	}
	return *resource.NewQuantity(amount, format)
}

// roundUp returns the smallest multiple of unit that is at least amount; amount itself if unit is
// not above 1. Both are far below the largest int64 (see the bounds), so that nothing overflows.
func roundUp(amount, unit int64) int64 {
	if unit <= 1 {
		return amount
	}
	return (amount + unit - 1) / unit * unit
}
