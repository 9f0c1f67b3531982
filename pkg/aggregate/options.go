package aggregate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Rules are what a VPA may set for each container.
type Rules struct {
	// MemoryInterval is the time over which one memory peak per container is taken; positive.
	MemoryInterval time.Duration
	// OOMBumpUpRatio and OOMMinBumpUp say what a container needs that was killed for want of memory: the larger of what it
	// had times the ratio (at least 1), and what it had and OOMMinBumpUp bytes more.
	OOMBumpUpRatio float64
	OOMMinBumpUp   usage.Amount
}

// Options say how samples are aggregated. They are fixed for the life of a process: histograms of
// different half-lives cannot be merged.
type Options struct {
	// CPUHalfLife and MemoryHalfLife are how long it takes a sample to lose half of its weight; see histogram.ValidHalfLife.
	CPUHalfLife, MemoryHalfLife time.Duration
	// Rules are those of a container for which a VPA sets no others.
	Rules Rules
}

// DefaultOptions are upstream's.
func DefaultOptions() Options {
	const day = 24 * time.Hour
	return Options{
		CPUHalfLife: day, MemoryHalfLife: day,
		Rules: Rules{MemoryInterval: day, OOMBumpUpRatio: 1.2, OOMMinBumpUp: 100 << 20},
	}
}

// Validate returns what is wrong with o, each with the field's name and value.
func (o Options) Validate() error {
	var errs []error
	if err := histogram.ValidHalfLife(o.CPUHalfLife); err != nil {
		errs = append(errs, fmt.Errorf("CPU %w", err))
	}
	if err := histogram.ValidHalfLife(o.MemoryHalfLife); err != nil {
		errs = append(errs, fmt.Errorf("memory %w", err))
	}
	return errors.Join(append(errs, o.Rules.Validate())...)
}

// Validate returns what is wrong with r, each with the field's name and value.
func (r Rules) Validate() error {
	var errs []error
	if r.MemoryInterval <= 0 {
		errs = append(errs, fmt.Errorf("memory interval %s: must be above 0", r.MemoryInterval))
	}
	if !(r.OOMBumpUpRatio >= 1) || math.IsInf(r.OOMBumpUpRatio, 1) {
		errs = append(errs, fmt.Errorf("OOM bump-up ratio %v: must be a number of at least 1", r.OOMBumpUpRatio))
	}
	if r.OOMMinBumpUp < 0 {
		errs = append(errs, fmt.Errorf("OOM minimum bump-up %d: must not be negative", r.OOMMinBumpUp))
	}
	return errors.Join(errs...)
}
