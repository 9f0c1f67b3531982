package histogram

import (
	"fmt"
	"math"
	"time"
)

// maxDecayExponent bounds 2^((t-reference)/halfLife): past it the reference moves and weights are rescaled.
const maxDecayExponent = 100

// Bounds of a half-life. A longest one keeps 100 of them within what a time.Duration can count.
const (
	MinHalfLife = time.Second
	MaxHalfLife = 2 * 365 * 24 * time.Hour
)

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
//
// There are two for each container that is tracked, so it is packed into 48 bytes.
type Histogram struct {
	// reference is where a sample's weight is scaled by 1, in seconds since the year 1, as time.Time rounds; a
	// multiple of halfLife unless it was loaded. 0 until the first sample.
	reference int64
	total     float64
	weights   []float64
	halfLife  uint32 // seconds
	scheme    schemeID
	// base is the bucket that weights[0] stands for.
	base uint8
	// lo and hi are the first and last buckets of at least Epsilon; lo is the last bucket and hi is 0
	// when there is none.
	lo, hi uint8
}

// New returns an empty histogram. halfLife is in whole seconds, from MinHalfLife to MaxHalfLife; others are a mistake
// of the caller and panic (see ValidHalfLife).
func New(scheme *Scheme, halfLife time.Duration) Histogram {
	if err := ValidHalfLife(halfLife); err != nil {
		panic(err)
	}
	return Histogram{scheme: scheme.id, halfLife: uint32(halfLife / time.Second), lo: scheme.last()}
}

// ValidHalfLife says what is wrong with a half-life, nil if nothing is.
func ValidHalfLife(d time.Duration) error {
	if d < MinHalfLife || d > MaxHalfLife || d%time.Second != 0 {
		return fmt.Errorf("half-life %s: must be whole seconds from %s to %s", d, MinHalfLife, MaxHalfLife)
	}
	return nil
}

// Add adds a sample of the given weight (before decay), measured at t.
func (h *Histogram) Add(value, weight float64, t time.Time) {
	weight *= h.factor(t)
	b := uint8(h.scheme.of().Bucket(value))
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
	w := h.at(uint8(h.scheme.of().Bucket(value)))
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
	case h.reference < o.reference:
		h.moveReference(o.referenceTime())
	case o.reference < h.reference:
		o.moveReference(h.referenceTime())
	}
	h.total += o.total
	if o.Empty() {
		return
	}
	h.at(o.lo)
	h.at(o.hi)
	for b := int(o.lo); b <= int(o.hi); b++ {
		h.weights[b-int(h.base)] += o.weights[b-int(o.base)]
	}
	h.lo, h.hi = min(h.lo, o.lo), max(h.hi, o.hi)
}

// Clone returns a copy that shares nothing that changes.
func (h *Histogram) Clone() Histogram {
	c := *h
	c.weights = append([]float64(nil), h.weights...)
	return c
}

// Empty reports whether no bucket weighs anything that counts.
func (h *Histogram) Empty() bool { return h.weight(h.lo) < Epsilon }

// factor is what a sample at t weighs beside one at the reference.
func (h *Histogram) factor(t time.Time) float64 {
	age := h.age(t)
	if age > maxDecayExponent*h.halfLifeDuration() {
		h.moveReference(t)
		age = h.age(t)
	}
	return math.Exp2(float64(age) / float64(h.halfLifeDuration()))
}

// age is how long after the reference t is, as t.Sub gives it, without making a time.Time for each sample.
func (h *Histogram) age(t time.Time) time.Duration {
	const most = math.MaxInt64 / int64(time.Second)
	switch seconds := t.Unix() + yearOne - h.reference; {
	case seconds >= most:
		return math.MaxInt64
	case seconds < -most:
		return math.MinInt64
	default:
		return time.Duration(seconds)*time.Second + time.Duration(t.Nanosecond())
	}
}

// moveReference makes the multiple of the half-life nearest to t the reference; weights scale by a
// power of two, which loses no bits. Buckets lighter than Epsilon at the ends stay as they are, as upstream's do.
func (h *Histogram) moveReference(t time.Time) {
	halfLife := h.halfLifeDuration()
	t = t.Round(halfLife)
	exponent := math.Floor(float64(-h.age(t))/float64(halfLife) + 0.5)
	scale := math.Ldexp(1, int(exponent))
	for b := int(h.lo); b <= int(h.hi); b++ {
		h.weights[b-int(h.base)] *= scale
	}
	h.total *= scale
	h.reference = t.Unix() + yearOne
	h.narrow()
}

// yearOne is how many seconds before 1970 a time.Time begins to count.
const yearOne = 62135596800

func (h *Histogram) referenceTime() time.Time { return time.Unix(h.reference-yearOne, 0) }

func (h *Histogram) halfLifeDuration() time.Duration { return time.Duration(h.halfLife) * time.Second }

// at returns the weight of bucket b, growing the stored run to reach it.
func (h *Histogram) at(b uint8) *float64 {
	switch end := int(h.base) + len(h.weights); {
	case len(h.weights) == 0:
		h.base, h.weights = b, make([]float64, 1)
	case b < h.base:
		grown := make([]float64, end-int(b))
		copy(grown[h.base-b:], h.weights)
		h.base, h.weights = b, grown
	case int(b) >= end:
		grown := make([]float64, int(b-h.base)+1)
		copy(grown, h.weights)
		h.weights = grown
	}
	return &h.weights[b-h.base]
}

// narrow moves lo and hi inwards past buckets that no longer count.
func (h *Histogram) narrow() {
	for last := h.scheme.of().last(); h.lo < last && h.weight(h.lo) < Epsilon; {
		h.lo++
	}
	for h.hi > 0 && h.weight(h.hi) < Epsilon {
		h.hi--
	}
}

func (h *Histogram) weight(b uint8) float64 {
	if i := int(b) - int(h.base); i >= 0 && i < len(h.weights) {
		return h.weights[i]
	}
	return 0
}
