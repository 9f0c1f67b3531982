package history

import (
	"math"
	"time"
)

// Randomness here is a hash of (seed, where), never a stream: a value depends on what it is for, not on how
// many were drawn before, so that adding a workload or a scrape changes no other.

// Salts keep the parts of one container's load from moving in step.
const (
	saltNoise uint64 = iota + 1
	saltBurst
)

// seedOf derives the seed of something named from another seed. FNV-1a over the names, each closed by a
// byte that no name contains, so that ("a", "bc") and ("ab", "c") differ.
func seedOf(seed uint64, names ...string) uint64 {
	const prime = 1099511628211
	h := mix(seed, 0)
	for _, name := range names {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	return h
}

// mix is splitmix64's finalizer over the n-th step from seed.
func mix(seed, n uint64) uint64 {
	x := seed + (n+1)*0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// unit is uniform in [0, 1).
func unit(seed, n uint64) float64 { return float64(mix(seed, n)>>11) / (1 << 53) }

// wobble is noise in [-1, 1] that moves smoothly from one minute's value to the next's.
func wobble(seed uint64, t time.Duration) float64 {
	minute := floorDiv(t, time.Minute)
	a, b := unit(seed^saltNoise, uint64(minute)), unit(seed^saltNoise, uint64(minute+1))
	into := float64(t-time.Duration(minute)*time.Minute) / float64(time.Minute)
	return 2*(a+(b-a)*into) - 1
}

// floorDiv rounds down, also for the negative times before End. unit is positive.
func floorDiv(t, unit time.Duration) int64 {
	q := int64(t / unit)
	if t%unit < 0 {
		q--
	}
	return q
}

// coarse drops digits that nobody measures, to a power of two, which halves the size of a compressed chunk.
func coarse(v, step float64) float64 { return math.Round(v/step) * step }
