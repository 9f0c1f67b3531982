package server

// peak is the largest memory of one minute, which is counted from the beginning of the query's interval.
type peak struct {
	minute int32
	bytes  int64
}

// skyline keeps, of one container's minutes, those that can be the largest between any two minutes which are at
// least span apart. The query's interval is cut into spans from its beginning. Whatever begins in one span and does
// not end in it sees a tail of that span, whole spans, and a head of the last. The largest of a head is greater than
// all minutes of the span before it, that of a tail greater than all after it: no other minute is ever needed.
//
//	    x          heads: x at 2, 4, 6 are greater than all before
//	  x     x      tails: x at 10, 13 are greater than all after
//	x   o o   o x
//
// Where minutes are equal, a head's first stays and a tail's last, so that a container that never changes costs
// two peaks a span. The first known minute of a span is always one of them, and the last.
type skyline struct {
	// span is in minutes; end is the first minute behind the current one.
	span, end int32
	peaks     []peak
	// risen is behind the largest of the current span, in peaks: up to there they rise, from there on they fall.
	risen int
}

func (k *skyline) reset(span int32) { *k = skyline{span: span, peaks: k.peaks[:0]} }

// add takes the next minute. Minutes come in the order of time, each once.
func (k *skyline) add(p peak) {
	n := len(k.peaks)
	if p.minute >= k.end {
		k.peaks = append(k.peaks, p)
		k.risen, k.end = n+1, (p.minute/k.span+1)*k.span
		return
	}
	if p.bytes > k.peaks[k.risen-1].bytes {
		k.peaks = append(k.peaks[:k.risen], p)
		k.risen++
		return
	}
	for n > k.risen && k.peaks[n-1].bytes <= p.bytes {
		n--
	}
	k.peaks = append(k.peaks[:n], p)
}

// merge takes what two skylines kept of two series of one container: the largest of a minute counts. What either
// left out, the other's kept minutes do not bring back: the largest of two maxima is the maximum of both.
func (k *skyline) merge(a, b []peak) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].minute < b[0].minute:
			k.add(a[0])
			a = a[1:]
		case len(a) == 0 || b[0].minute < a[0].minute:
			k.add(b[0])
			b = b[1:]
		default:
			k.add(peak{a[0].minute, max(a[0].bytes, b[0].bytes)})
			a, b = a[1:], b[1:]
		}
	}
}
