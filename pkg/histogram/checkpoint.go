package histogram

import (
	"fmt"
	"math"
	"time"
)

// maxWeight is what the heaviest bucket weighs in a checkpoint.
const maxWeight = 10000

// Checkpoint is a histogram as version 3 of upstream's checkpoints stores it.
type Checkpoint struct {
	// Reference is where a sample's weight is scaled by 1; the zero time if there was no sample.
	Reference time.Time
	// Weights are those of the buckets, scaled so that the heaviest has 10000, and rounded; what rounds to zero is left out.
	Weights map[int]uint32
	// Total is the weight of all samples, not rounded.
	Total float64
}

// Save returns what is to be stored. What is loaded from it differs by at most half of a ten-thousandth of the heaviest
// bucket in each.
func (h *Histogram) Save() Checkpoint {
	c := Checkpoint{Weights: make(map[int]uint32, max(0, int(h.hi)-int(h.lo)+1)), Total: h.total}
	if h.reference != 0 {
		c.Reference = h.referenceTime().UTC()
	}
	heaviest := 0.0
	for b := int(h.lo); b <= int(h.hi); b++ {
		heaviest = max(heaviest, h.weight(uint8(b)))
	}
	if heaviest == 0 {
		return c
	}
	ratio := maxWeight / heaviest
	for b := int(h.lo); b <= int(h.hi); b++ {
		if w := uint32(math.Floor(h.weight(uint8(b))*ratio + 0.5)); w > 0 {
			c.Weights[b] = w
		}
	}
	return c
}

// Load returns the histogram that was saved as c. It fails if c has a bucket that s has not, or a total that is no weight.
func Load(s *Scheme, halfLife time.Duration, c Checkpoint) (Histogram, error) {
	h := New(s, halfLife)
	if !(c.Total >= 0) || math.IsInf(c.Total, 1) {
		return h, fmt.Errorf("total weight %v: must be a number of at least 0", c.Total)
	}
	sum, lowest, highest := 0.0, math.MaxInt, math.MinInt
	for b, w := range c.Weights {
		sum += float64(w) // whole numbers far below 2^53: their order does not matter
		lowest, highest = min(lowest, b), max(highest, b)
	}
	for _, b := range []int{lowest, highest} {
		if len(c.Weights) > 0 && (b < 0 || b >= s.Buckets()) {
			return h, fmt.Errorf("bucket %d: must be from 0 to %d", b, s.Buckets()-1)
		}
	}
	if !c.Reference.IsZero() {
		h.reference = c.Reference.Unix() + yearOne
	}
	if sum == 0 {
		return h, nil
	}
	h.base, h.weights = uint8(lowest), make([]float64, highest-lowest+1)
	h.lo, h.hi = uint8(lowest), uint8(highest)
	h.total = c.Total
	ratio := c.Total / sum
	for b, w := range c.Weights {
		h.weights[b-lowest] = float64(w) * ratio
	}
	h.narrow()
	return h, nil
}
