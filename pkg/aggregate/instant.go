package aggregate

import (
	"math"
	"time"
)

// instant is a time in a third of a time.Time's size: nanoseconds since 1970, 0 for none.
type instant int64

// instantOf returns t as an instant; false if t is not after 1970, or beyond the year 2262.
func instantOf(t time.Time) (instant, bool) {
	if s := t.Unix(); s < 0 || s >= math.MaxInt64/int64(time.Second) {
		return 0, false
	}
	n := t.UnixNano()
	return instant(n), n > 0
}

// time returns the zero time for none.
func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i))
}

func (i instant) add(d time.Duration) instant { return i + instant(d) }

func (i instant) sub(j instant) time.Duration { return time.Duration(i - j) }
