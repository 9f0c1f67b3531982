package histogram

import (
	"math"
	"time"
)

// maxDecayExponent bounds 2^((t-reference)/halfLife): past it the reference moves and weights are rescaled.
const maxDecayExponent = 100

// Histogram is a distribution whose samples lose half of their weight each half-life. Instead of
// ageing what is there, a new sample weighs 2^((t-reference)/halfLife), so that adding is one
// addition. The zero value is not usable; see New.
//
// A container's usage touches few buckets that lie together, so only the run from the lowest to the
// highest touched bucket is stored:
//
//	scheme   0 1 2 ... 17 18 19 20 21 ... 175
//	weights            [w  w  0  w  w]
//	                    ^ base=17
type Histogram struct {
	scheme   *Scheme
	halfLife time.Duration
	// reference is where a sample's weight is scaled by 1; a multiple of halfLife, zero until the first sample.
	reference time.Time
	total     float64
	weights   []float64
	// base is the bucket that weights[0] stands for.
	base int16
	// lo and hi are the first and last buckets of at least Epsilon; lo is the last bucket and hi is 0
	// when there is none.
	lo, hi int16
}

// New returns an empty histogram. halfLife must be positive.
func New(scheme *Scheme, halfLife time.Duration) Histogram {
	return Histogram{scheme: scheme, halfLife: halfLife, lo: int16(scheme.Buckets() - 1)}
}

// Add adds a sample of the given weight (before decay), measured at t.
func (h *Histogram) Add(value, weight float64, t time.Time) {
	weight *= h.factor(t)
	b := int16(h.scheme.Bucket(value))
	w := h.at(b)
	*w += weight
	h.total += weight
	if *w < Epsilon {
		return
	}
	h.lo, h.hi = min(h.lo, b), max(h.hi, b)
}

// Subtract takes back a sample that was added with the same value, weight and time. What falls below
// Epsilon becomes 0.
func (h *Histogram) Subtract(value, weight float64, t time.Time) {
	weight *= h.factor(t)
	w := h.at(int16(h.scheme.Bucket(value)))
	h.total = subtract(h.total, weight)
	*w = subtract(*w, weight)
	h.narrow()
}

func subtract(v, sub float64) float64 {
	if v -= sub; v < Epsilon {
		return 0
	}
	return v
}

// Merge adds all samples of o, which must have the same scheme and half-life. The older reference of
// the two is moved to the younger, in o too; otherwise o stays as it is.
func (h *Histogram) Merge(o *Histogram) {
	switch {
	case h.reference.Before(o.reference):
		h.moveReference(o.reference)
	case o.reference.Before(h.reference):
		o.moveReference(h.reference)
	}
	h.total += o.total
	if o.Empty() {
		return
	}
	h.at(o.lo)
	h.at(o.hi)
	for b := o.lo; b <= o.hi; b++ {
		h.weights[b-h.base] += o.weights[b-o.base]
	}
	h.lo, h.hi = min(h.lo, o.lo), max(h.hi, o.hi)
}

// Percentile returns the end of the bucket in which the given share (0 to 1) of the total weight is
// reached, in the scheme's unit; the last bucket has no end and gives its start. Empty gives 0.
func (h *Histogram) Percentile(p float64) float64 {
	if h.Empty() {
		return 0
	}
	threshold, sum := p*h.total, 0.0
	b := h.lo
	for ; b < h.hi; b++ {
		if sum += h.weights[b-h.base]; sum >= threshold {
			break
		}
	}
	return h.scheme.Start(min(int(b)+1, h.scheme.Buckets()-1))
}

// Empty reports whether no bucket weighs anything that counts.
func (h *Histogram) Empty() bool {
	i := int(h.lo - h.base)
	return i < 0 || i >= len(h.weights) || h.weights[i] < Epsilon
}

// factor is what a sample at t weighs beside one at the reference.
func (h *Histogram) factor(t time.Time) float64 {
	if t.After(h.reference.Add(maxDecayExponent * h.halfLife)) {
		h.moveReference(t)
	}
	return math.Exp2(float64(t.Sub(h.reference)) / float64(h.halfLife))
}

// moveReference makes the multiple of the half-life nearest to t the reference; weights scale by a
// power of two, which loses no bits.
func (h *Histogram) moveReference(t time.Time) {
	t = t.Round(h.halfLife)
	exponent := math.Floor(float64(h.reference.Sub(t))/float64(h.halfLife) + 0.5)
	scale := math.Ldexp(1, int(exponent))
	for i := range h.weights {
		h.weights[i] *= scale
	}
	h.total *= scale
	h.reference = t
	h.narrow()
}

// at returns the weight of bucket b, growing the stored run to reach it.
func (h *Histogram) at(b int16) *float64 {
	switch end := h.base + int16(len(h.weights)); {
	case len(h.weights) == 0:
		h.base, h.weights = b, make([]float64, 1)
	case b < h.base:
		grown := make([]float64, int(end-b))
		copy(grown[h.base-b:], h.weights)
		h.base, h.weights = b, grown
	case b >= end:
		grown := make([]float64, int(b-h.base)+1)
		copy(grown, h.weights)
		h.weights = grown
	}
	return &h.weights[b-h.base]
}

// narrow moves lo and hi inwards past buckets that no longer count.
func (h *Histogram) narrow() {
	last := int16(h.scheme.Buckets() - 1)
	for h.lo < last && h.weight(h.lo) < Epsilon {
		h.lo++
	}
	for h.hi > 0 && h.weight(h.hi) < Epsilon {
		h.hi--
	}
}

func (h *Histogram) weight(b int16) float64 {
	if i := int(b - h.base); i >= 0 && i < len(h.weights) {
		return h.weights[i]
	}
	return 0
}
