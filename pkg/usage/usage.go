// Package usage holds the words that everything else speaks: what a container used, and in which unit.
package usage

import (
	"math"
	"time"
)

// Resource is what is used: CPU or Memory, nothing else.
type Resource uint8

// The resources that are measured and recommended.
const (
	CPU Resource = iota
	Memory
)

// Resources are all of them, in the order in which they are shown.
var Resources = [...]Resource{CPU, Memory}

// String is the resource's name in the Kubernetes API.
func (r Resource) String() string {
	if r == CPU {
		return "cpu"
	}
	return "memory"
}

// Amount is a quantity of one resource: millicores of CPU, bytes of memory. It is never negative.
type Amount int64

// MaxAmount bounds every Amount (1e14 is upstream's bound): a hundred billion cores, a hundred terabytes.
const MaxAmount Amount = 1e14

// Truncate turns a number of millicores or bytes into an Amount, rounding down and clamping into
// [0, MaxAmount]. NaN gives 0.
func Truncate(v float64) Amount {
	if v > float64(MaxAmount) {
		return MaxAmount
	}
	if v > 0 {
		return Amount(v)
	}
	return 0
}

// RoundUp is Truncate rounding up, as metrics.k8s.io's consumers read nanocores into millicores.
func RoundUp(v float64) Amount { return Truncate(math.Ceil(v)) }

// Scale returns a times factor, rounded down and clamped.
func (a Amount) Scale(factor float64) Amount { return Truncate(float64(a) * factor) }

// Cores returns an Amount of CPU in cores.
func (a Amount) Cores() float64 { return float64(a) / 1000 }

// Container names one container of one pod.
type Container struct {
	Namespace, Pod, Name string
}

// Sample is what a container used at an instant (memory), or on average over about a minute (CPU).
type Sample struct {
	Container Container
	Resource  Resource
	// Time is when the measurement started.
	Time   time.Time
	Amount Amount
}
