package histogram

// Percentile returns the end of the bucket in which the given share (0 to 1) of the total weight is
// reached, in the scheme's unit; the last bucket has no end and gives its start. Empty gives 0.
func (h *Histogram) Percentile(p float64) float64 {
	return h.Percentiles([3]float64{p, p, p})[0]
}

// Percentiles returns three of them, in the order asked for, in one sweep over the buckets.
func (h *Histogram) Percentiles(ps [3]float64) [3]float64 {
	if h.Empty() {
		return [3]float64{}
	}
	last := h.end(h.hi)
	ends, missing := [3]float64{last, last, last}, len(ps)
	var reached [3]bool
	sum := 0.0
	for b := h.lo; b < h.hi && missing > 0; b++ {
		sum += h.weights[b-h.base]
		for i, p := range ps {
			if !reached[i] && sum >= p*h.total {
				ends[i], reached[i] = h.end(b), true
				missing--
			}
		}
	}
	return ends
}

func (h *Histogram) end(b uint8) float64 {
	s := h.scheme.of()
	return s.starts[min(int(b)+1, len(s.starts)-1)]
}
