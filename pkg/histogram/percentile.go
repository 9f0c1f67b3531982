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
	order := ascending(ps)
	last := h.end(h.hi)
	ends := [3]float64{last, last, last}
	run := h.weights[h.lo-h.base : h.hi-h.base]
	sum, next, threshold := 0.0, 0, ps[order[0]]*h.total
	for i, w := range run {
		for sum += w; sum >= threshold; threshold = ps[order[next]] * h.total {
			ends[order[next]] = h.end(h.lo + uint8(i))
			if next++; next == len(ps) {
				return ends
			}
		}
	}
	return ends
}

// ascending returns the indices of ps by rising value.
func ascending(ps [3]float64) [3]int {
	o := [3]int{0, 1, 2}
	for _, pair := range [...][2]int{{0, 1}, {1, 2}, {0, 1}} {
		if i, j := pair[0], pair[1]; ps[o[i]] > ps[o[j]] {
			o[i], o[j] = o[j], o[i]
		}
	}
	return o
}

func (h *Histogram) end(b uint8) float64 {
	s := h.scheme.of()
	return s.starts[min(int(b)+1, len(s.starts)-1)]
}
