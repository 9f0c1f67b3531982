package history

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// Retries start after firstRetry and double up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 2 * time.Minute
	// patience is how many failures of a part one after the other, while the source is well otherwise, it takes to ask for
	// less, and for something else first.
	patience = 3
	// enough is how many parts it takes to try parts of twice the length again.
	enough = 4
	// shortest is the part of a window that is not cut further.
	shortest = 30 * time.Minute
)

// refused takes down that a shard could not be read, and decides how to go on.
func (l *Loader) refused(s *shard, err error, now time.Time) {
	if errors.Is(err, ErrTooLarge) && l.less(s) {
		return
	}
	if busy := (*BusyError)(nil); errors.As(err, &busy) {
		l.failures++
		l.pause = now.Add(pauseAfter(err, l.failures))
	} else {
		// Perhaps the source is gone, or has changed.
		l.prepared = time.Time{}
	}
	again := false
	for _, j := range s.jobs {
		j.failures++
		j.due = now.Add(backoff(j.failures))
		again = again || j.failures%patience == 0
	}
	if !again {
		return
	}
	l.less(s)
	for _, j := range s.jobs {
		if len(j.todo) > 1 {
			j.todo = append(append([]Interval(nil), j.todo[1:]...), j.todo[0])
			j.split()
		}
	}
}

// less has the shard's jobs ask for half: half of the jobs, or half of the time. False if it is as little as can be.
func (l *Loader) less(s *shard) bool {
	if len(s.jobs) > 1 || !s.named {
		for _, j := range s.jobs {
			j.together = max(1, (len(s.jobs)+1)/2)
		}
		return true
	}
	j := s.jobs[0]
	if half := (s.Length() / 2).Truncate(time.Minute); half >= shortest {
		j.longest, j.fitted = half+time.Minute, 0
		j.split()
		return true
	}
	return false
}

// pauseAfter is how long the source is left alone after it failed so many times one after the other.
func pauseAfter(err error, failures int) time.Duration {
	if busy := (*BusyError)(nil); errors.As(err, &busy) && busy.After > 0 {
		return min(busy.After, maxPause) + rand.N(firstRetry)
	}
	if errors.Is(err, ErrDenied) {
		return jittered(lastRetry)
	}
	return backoff(failures)
}

// maxPause bounds what a server may ask for.
const maxPause = 10 * time.Minute

// backoff is how long to wait after so many failures, spread so that a server that comes back is not met by all at once.
func backoff(failures int) time.Duration {
	return jittered(min(lastRetry, firstRetry<<min(failures-1, 10)))
}

func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }
