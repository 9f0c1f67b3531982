package history

import (
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// Faults are what is wrong, on purpose, with what was scraped. What the workload used is as without them: its Samples
// with no Faults are the truth. Those at a time of their own do not run across midnight, UTC, if End is at noon.
type Faults uint

// Faults that can be combined.
const (
	// NaNs: every hundredth scrape reads NaN, and every hundredth a stale marker, as when a target is lost.
	NaNs Faults = 1 << iota
	// Infinities: every hundredth scrape reads +Inf.
	Infinities
	// Negatives: every hundredth scrape reads -1.
	Negatives
	// UnitJump: for an hour, 30 hours before End, everything reads 1024 times as much.
	UnitJump
	// CounterReset: 10 hours before End the CPU counters begin at 0 again, though nothing restarts.
	CounterReset
	// Gap: for three hours, from 20 hours before End on, nothing is scraped.
	Gap
	// MissingLabels: there are two more series of each pod, one without the label pod, one without container. Both say
	// strayCPU and strayMemory.
	MissingLabels
	// OtherEnvironment: there is one more series of each pod's first container, in an env of its own. It says the same.
	OtherEnvironment
	// AllFaults is all of the above.
	AllFaults = 1<<iota - 1
)

const (
	unitJumpAt     = -30 * time.Hour
	unitJumpFor    = time.Hour
	unitJump       = 1024
	counterResetAt = -10 * time.Hour
	gapAt          = -20 * time.Hour
	gapFor         = 3 * time.Hour
)

// settled is how long a pod has run before a unit jump, else it has none: of a container that began with the wrong
// unit nobody could say what the right one is.
const settled = time.Hour

// What stray series say is much, but not absurd: who takes it for the workload's does not drop it.
const (
	strayCPU    = 64        // cores
	strayMemory = 256 << 30 // bytes
	strayEnv    = "elsewhere"
)

func (t *target) has(f Faults) bool { return t.workload.Scrape.Faults&f != 0 }

// missed reports whether a scrape at this time leaves nothing behind.
func (t *target) missed(at time.Duration) bool {
	return t.has(Gap) && at >= gapAt && at < gapAt+gapFor
}

// reset remembers where the counters stood before the scrape from which on they begin at 0. For a pod that began later
// that is 0.
func (t *target) reset(at time.Duration) {
	if !t.has(CounterReset) || t.base != nil || at < counterResetAt {
		return
	}
	for _, m := range t.cpu {
		t.base = append(t.base, coarse(m.total, counterStep))
	}
}

// spoil makes of a reading what is scraped. number counts the scrapes of a pod.
func (t *target) spoil(s *reading, number int64) {
	for i, base := range t.base {
		s.cpu[i] -= base
	}
	if t.has(UnitJump) && s.at >= unitJumpAt && s.at < unitJumpAt+unitJumpFor && t.from <= unitJumpAt-settled {
		s.each(func(v float64) float64 { return unitJump * v })
	}
	var bad float64
	switch number %= 100; {
	case t.has(NaNs) && number == 17:
		bad = math.NaN()
	case t.has(NaNs) && number == 37:
		bad = math.Float64frombits(value.StaleNaN)
	case t.has(Infinities) && number == 57:
		bad = math.Inf(1)
	case t.has(Negatives) && number == 77:
		bad = -1
	default:
		return
	}
	s.each(func(float64) float64 { return bad })
}

func (s *reading) each(change func(float64) float64) {
	for i := range s.cpu {
		s.cpu[i], s.memory[i] = change(s.cpu[i]), change(s.memory[i])
	}
}

// strays returns the labels of the series of one metric that are nobody's. They have ids of their own, so that no two
// pods' are one series.
func (t *target) strays(metric string) []labels.Labels {
	b := labels.NewBuilder(t.labels(metric, t.workload.Containers[0].Name, 0))
	b.Set("id", "/"+t.hex(32, "stray"))
	own := b.Labels()
	var all []labels.Labels
	if t.has(MissingLabels) {
		all = append(all, labels.NewBuilder(own).Del("pod").Labels(), labels.NewBuilder(own).Del("container").Labels())
	}
	if t.has(OtherEnvironment) {
		all = append(all, labels.NewBuilder(own).Set("env", strayEnv).Labels())
	}
	return all
}
