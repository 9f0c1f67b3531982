// Package histogram keeps weighted distributions in exponential buckets, whose old samples weigh less
// and less. Its arithmetic is that of the upstream Vertical Pod Autoscaler, to the last bit where
// that matters, so that percentiles are equal and checkpoints can be exchanged.
package histogram

import "math"

// Epsilon is the least weight that counts: a lighter bucket at either end is treated as empty. It is
// a thousandth of the weight of one CPU sample.
const Epsilon = 1e-4

// growth is by how much each bucket is wider than the one before it. It is a variable because a constant
// growth-1 would be exactly 0.05, which floats are not: bucket starts would differ from upstream's.
var growth = 1.05

// Scheme says where buckets begin. Bucket n covers [Start(n), Start(n+1)) with
//
//	Start(n) = first (growth^n - 1) / (growth - 1)
//
// and the last bucket has no end. A Scheme is immutable and shared.
type Scheme struct {
	id     schemeID
	first  float64
	starts []float64
}

// The two schemes there are. Changing either breaks every stored checkpoint.
var (
	// CPU has buckets in cores, 0.01 wide at first, up to 1000.
	CPU = newScheme(cpuScheme, 0.01, 1000)
	// Memory has buckets in bytes, 10 MB wide at first, up to 1 TB.
	Memory = newScheme(memoryScheme, 1e7, 1e12)
)

// schemeID is one of the two in a byte.
type schemeID uint8

const (
	cpuScheme schemeID = iota
	memoryScheme
)

func (id schemeID) of() *Scheme {
	if id == cpuScheme {
		return CPU
	}
	return Memory
}

func newScheme(id schemeID, first, most float64) *Scheme {
	n := int(math.Ceil(logGrowth(most*(growth-1)/first+1))) + 1
	s := &Scheme{id: id, first: first, starts: make([]float64, n)}
	for i := 1; i < n; i++ {
		s.starts[i] = first * (math.Pow(growth, float64(i)) - 1) / (growth - 1)
	}
	return s
}

// lnGrowth is computed once: Bucket divides by it for every sample.
var lnGrowth = math.Log(growth)

func logGrowth(x float64) float64 { return math.Log(x) / lnGrowth }

// Buckets is how many there are.
func (s *Scheme) Buckets() int { return len(s.starts) }

func (s *Scheme) last() uint8 { return uint8(len(s.starts) - 1) }

// Bucket returns the index of the bucket that v falls in; v below the first start is in bucket 0.
func (s *Scheme) Bucket(v float64) int {
	if v < s.first {
		return 0
	}
	// Upstream's formula, not a search in starts: the two differ for values within rounding of a start.
	return min(int(logGrowth(v*(growth-1)/s.first+1)), len(s.starts)-1)
}

// Start returns where bucket n begins, in the scheme's unit.
func (s *Scheme) Start(n int) float64 { return s.starts[n] }
