package policy

import (
	"math"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// job is one resource of one container that is to be decided.
type job struct {
	at       int
	resource usage.Resource
	kind     kind
	rule     *limitRule
	span     span
	// want is what it shall request, format how that is written, and most maxAllowed.
	want         int64
	format, most Value
	// floor is what the request is not to be below, 0 if nothing is; declared the same of the limit.
	floor, declared int64
	// limitMost is what the limit is not to be raised above (maxAllowed, where that bounds limits), and levelMost what
	// no limit may be above (the pod's own); 0 for none.
	limitMost, levelMost int64
	// first is what it asked for first: 0 for nothing.
	first     pair
	wholeCPUs bool
	boosted   bool
	// settled is what it is given.
	settled settled
}

type pair struct{ request, limit int64 }

// kind says how a limit follows from a request.
type kind uint8

const (
	// alone: there is no limit, and none is added.
	alone kind = iota
	// under: the limit stays, and the request below it.
	under
	// equal: the limit is the request.
	equal
	// multiple and proportional: see LimitMode.
	multiple
	proportional
)

// settled is what a container is given for a request, and what moved it away from what was wanted.
type settled struct {
	request, limit int64
	// wanted is the limit that the policy alone gives the request.
	wanted             int64
	requestBy, limitBy Reason
	ok                 bool
}

// fullRoom is all of the room that the limit policy gives a limit above what it has to be; see job.settle. It is small
// enough that any amount times it is an int64.
const fullRoom = 1 << 16

func (j *job) value(amount int64) Value { return j.format.with(amount) }

func (j *job) setsLimit() bool { return j.kind >= equal }

func (j *job) bound(level Value) {
	switch {
	case !level.IsSet():
	case level.is == fraction:
		j.levelMost = max(1, level.amount-1)
	default:
		j.levelMost = max(1, level.amount)
	}
}

// settle gives the container a request as near to want as is legal, and the limit that belongs to it. room, of
// fullRoom, is how much of what the limit policy gives beyond what has to be the limit gets. Not ok if nothing is legal.
func (j *job) settle(want, room int64) settled {
	s := settled{request: want}
	switch j.kind {
	case alone:
		j.within(&s, math.MaxInt64)
	case under:
		j.within(&s, j.first.limit)
		if s.limit = j.first.limit; s.ok {
			j.raiseForRatio(&s)
		}
	case equal:
		j.within(&s, math.MaxInt64)
		s.limit, s.wanted = s.request, s.request
	case multiple:
		j.within(&s, math.MaxInt64)
		j.multiply(&s, room)
	case proportional:
		j.keepRatio(&s)
	}
	j.verify(&s)
	return s
}

// mostLegal is the largest that the namespace and the pod let a request or a limit be, and whose bound that is.
func (j *job) mostLegal() (int64, Reason) {
	most, by := int64(math.MaxInt64), ByNothing
	if j.span.max.IsSet() {
		most, by = j.span.max.amount, ByRangeMax
	}
	if j.levelMost > 0 && j.levelMost < most {
		most, by = j.levelMost, ByPodResources
	}
	return most, by
}

// within moves the request into what is legal for it, and no higher than highest. Not ok if there is nothing.
func (j *job) within(s *settled, highest int64) {
	least, leastBy := j.floor, ByFloor
	if j.span.min.IsSet() && j.span.min.amount > least {
		least, leastBy = j.span.min.amount, ByRangeMin
	}
	most, mostBy := highest, ByLimit
	if legal, by := j.mostLegal(); legal < most && j.kind != alone {
		most, mostBy = legal, by
	}
	if j.wholeCPUs {
		least, most = roundUp(min(least, beyond), milliPerCore), most/milliPerCore*milliPerCore
		s.request = roundUp(s.request, milliPerCore)
	}
	switch {
	case s.request < least:
		s.request, s.requestBy = least, leastBy
	case s.request > most:
		s.request, s.requestBy = most, mostBy
	}
	s.ok = least <= most
	if !s.ok && s.requestBy == ByNothing {
		s.requestBy = mostBy
	}
}

// multiply sets the limit that the limit policy gives the request, and moves both to what is legal.
func (j *job) multiply(s *settled, room int64) {
	s.wanted = j.rule.limit(j.declared, s.request)
	lowest := max(j.declared, s.request)
	if j.limitMost > 0 {
		s.wanted = min(s.wanted, max(j.limitMost, lowest))
	}
	s.limit = s.wanted
	lower := func(to int64, by Reason) {
		if to < s.limit {
			s.limit, s.limitBy = j.rule.roundDown(max(to, lowest), lowest), by
		}
	}
	most, by := j.mostLegal()
	lower(most, by)
	if j.span.ratio != 0 && j.span.exceeds(j.resource, s.request, s.limit) {
		lower(j.span.mostFor(j.resource, s.request), ByRangeRatio)
		j.raiseForRatio(s)
		lowest = max(lowest, s.request)
	}
	if room < fullRoom && s.limit > lowest {
		s.limit = j.rule.roundDown(lowest+(s.limit-lowest)*room/fullRoom, lowest)
	}
}

// raiseForRatio raises the request where the limit is more than a LimitRange lets it be of it.
func (j *job) raiseForRatio(s *settled) {
	if j.span.ratio != 0 && s.request > 0 && j.span.exceeds(j.resource, s.request, s.limit) {
		s.request, s.requestBy = min(j.span.leastFor(j.resource, s.limit), s.limit), ByRangeRatio
	}
}

// keepRatio gives request and limit the ratio that they had first, as upstream does: the request is bounded so that the
// limit is legal.
func (j *job) keepRatio(s *settled) {
	highest, by := j.mostLegal()
	if by != ByNothing && j.first.request > 0 {
		// As upstream, a bound that comes to nothing is none: verify has the last word.
		if highest = mulDiv(j.first.request, highest, j.first.limit, false); highest == 0 {
			highest = math.MaxInt64
		}
	}
	j.within(s, highest)
	if s.requestBy == ByLimit {
		s.requestBy = by
	}
	s.wanted = s.request
	if j.first.request > 0 && j.first.request != j.first.limit {
		s.wanted = mulDiv(j.first.limit, s.request, j.first.request, false)
	}
	for _, most := range [...]int64{j.rule.most, j.limitMost} {
		if most > 0 {
			s.wanted = min(s.wanted, max(most, j.declared, s.request))
		}
	}
	s.limit = s.wanted
}

// verify looks at what was settled once more. What is not legal is not ok.
func (j *job) verify(s *settled) {
	if !s.ok {
		return
	}
	request, limit := Value{amount: s.request, is: exact}, Value{}
	if j.kind != alone {
		limit = Value{amount: s.limit, is: exact}
	}
	most, by := j.mostLegal()
	var wrong Reason
	switch {
	case !saneAmount(j.resource, s.request) || j.setsLimit() && !saneAmount(j.resource, s.limit):
		wrong = ByAbsurdity
	case s.request < j.floor:
		wrong = ByFloor
	case j.kind != alone && s.request > s.limit:
		wrong = ByLimit
	case j.kind == multiple && s.limit < j.declared:
		wrong = by
	case j.kind != alone && s.limit > most && j.levelMost > 0:
		wrong = by
	default:
		wrong = j.span.breach(j.resource, request, limit)
	}
	if wrong == ByNothing {
		return
	}
	if s.ok = false; wrong != ByAbsurdity || s.requestBy == ByNothing {
		s.requestBy = wrong
	}
}
