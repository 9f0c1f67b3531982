package replay

import (
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// adviser says what pods are given. It is asked for a look before it learns what was used in it.
type adviser interface {
	// advise finds out the targets as of a time, which are those of the scene's containers, in their order, until the next
	// call. Looks come in the order of time.
	advise(at time.Time) []targets
	// create returns what pods are given that are created now, by container.
	create() []asks
	// learn takes in what was used from one time to another.
	learn(from, to time.Time)
}

// target is what is recommended of one resource, in millicores or bytes; nothing if it is not known.
type target struct {
	amount usage.Amount
	known  bool
}

type targets [len(usage.Resources)]target

// ask is what a container asks for of one resource: nothing that is recommended if it is not known. A limit of 0 is none.
type ask struct {
	request, limit usage.Amount
	known          bool
}

type asks [len(usage.Resources)]ask

// outcome is what came of one container under one policy.
type outcome struct {
	tallies [len(usage.Resources)]tally
	// looks are kept for plots only.
	looks []look
}

// look is one moment of a plot.
type look struct {
	at time.Time
	// used is the largest that any pod used in it, Unknown where that is not known.
	used [len(usage.Resources)]int64
	// targets are what was recommended then, asks what pods had.
	targets targets
	asks    asks
}

// play goes through the scene's time under an adviser. It returns what came of each container.
func (s *scene) play(a adviser) []outcome {
	outcomes := make([]outcome, len(s.containers))
	given := make([]asks, len(s.containers))
	for from := s.from; from.Before(s.to); from = from.Add(Look) {
		to := from.Add(Look)
		told := a.advise(from)
		if from.Truncate(s.options.RestartEvery).Equal(from) {
			copy(given, a.create())
		}
		measured := !from.Before(s.measured)
		for i := range outcomes {
			if measured {
				outcomes[i].move(&told[i])
			}
			if s.options.Plots {
				outcomes[i].looks = append(outcomes[i].looks, look{at: from, used: [...]int64{Unknown, Unknown}, targets: told[i], asks: given[i]})
			}
		}
		for i := range s.Tracks {
			outcomes[s.of[i]].watch(&s.Tracks[i], from, to, &given[s.of[i]], measured)
		}
		a.learn(from, to)
	}
	return outcomes
}

// move takes down what the targets are now.
func (o *outcome) move(told *targets) {
	for r := range told {
		o.tallies[r].move(told[r])
	}
}

// watch compares what a container used from one time to another with what it asked for.
func (o *outcome) watch(t *Track, from, to time.Time, given *asks, measured bool) {
	first, end, _ := t.between(from, to)
	day := from.Unix() / int64(24*time.Hour/time.Second)
	for _, r := range usage.Resources {
		for minute := first; minute < end; minute++ {
			used, known := t.amount(r, minute)
			if !known {
				continue
			}
			if measured {
				o.tallies[r].add(used, given[r], day)
			}
			if n := len(o.looks); n > 0 {
				o.looks[n-1].used[r] = max(o.looks[n-1].used[r], int64(used))
			}
		}
	}
}
