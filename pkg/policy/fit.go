package policy

import "github.com/sartor-vpa/sartor/pkg/usage"

// total is what LimitRanges and validation know of a pod: what all of it requests, and the sum of its limits.
type total struct{ requests, limits Value }

func (t *total) add(request, limit Value) {
	t.requests, t.limits = plus(t.requests, request), plus(t.limits, limit)
}

func (t *total) atLeast(other total) {
	t.requests, t.limits = larger(t.requests, other.requests), larger(t.limits, other.limits)
}

// plus adds what is set. Neither may be absurd.
func plus(a, b Value) Value {
	if !b.IsSet() {
		return a
	}
	return Value{amount: a.amount + b.amount, is: exact}
}

func larger(a, b Value) Value {
	if !a.IsSet() || b.IsSet() && b.amount > a.amount {
		return b
	}
	return a
}

// fixed is what of a pod is not decided on.
type fixed struct {
	// beside runs as long as the containers do; before is the most that runs before them.
	beside, before total
}

// fixedParts adds up the init containers, and the containers that no job is for, as the LimitRanger does. False if
// one of the amounts is absurd.
func (p *planner) fixedParts(jobs []job) (f fixed, ok bool) {
	r := p.resource
	next := 0
	for i := range p.pod.Containers {
		if next < len(jobs) && jobs[next].at == i {
			next++
			continue
		}
		request, limit := p.left(i)
		if request.absurd() || limit.absurd() {
			return f, false
		}
		f.beside.add(request, limit)
	}
	sidecars, before, ok := p.pod.initTotals(r)
	f.beside.add(sidecars.requests, sidecars.limits)
	f.before = before
	return f, ok
}

// initTotals adds up the init containers: the sidecars, which run as long as the containers do, and the most that runs
// before these. False if one of the amounts is absurd.
func (p *Pod) initTotals(r usage.Resource) (sidecars, before total, ok bool) {
	for i := range p.Init {
		now := &p.Init[i].Now
		if now.Requests[r].absurd() || now.Limits[r].absurd() {
			return sidecars, before, false
		}
		running := sidecars
		running.add(now.Requests[r], now.Limits[r])
		if p.Init[i].Sidecar {
			sidecars = running
		}
		before.atLeast(running)
	}
	return sidecars, before, true
}

// refusal is what the pod would be refused for, with what is settled; ByNothing if it would not.
func (p *planner) refusal(jobs []job, f fixed) Reason {
	r, sum := p.resource, f.beside
	for i := range jobs {
		limit := Value{}
		if jobs[i].kind != alone {
			limit = Value{amount: jobs[i].settled.limit, is: exact}
		}
		sum.add(Value{amount: jobs[i].settled.request, is: exact}, limit)
	}
	sum.atLeast(f.before)
	if level := p.pod.Level; level != nil {
		if level.mayFollow(r) {
			if by := p.breach(sum); by != ByNothing {
				return by
			}
		}
		if most := level.Requests[r]; most.IsSet() {
			if sum.requests.amount > most.amount || sum.requests.amount == most.amount && most.is == fraction {
				return ByPodResources
			}
			sum.requests = most
		}
		if limit := level.Limits[r]; limit.IsSet() {
			sum.limits = limit
		}
	}
	return p.breach(sum)
}

// mayFollow reports whether the pod's own request may be the sum of its containers'. The API server makes it that when a
// pod that limits something else comes back from a webhook. So LimitRanges have to take the sum as well, or what is
// decided would be another thing when the webhook is asked again.
func (x *Resources) mayFollow(r usage.Resource) bool {
	return x.Requests[r].IsSet() && !x.Limits[r].IsSet()
}

// breach is what LimitRanges for pods would refuse the sum for.
func (p *planner) breach(sum total) Reason {
	switch p.whole.breach(p.resource, sum.requests, sum.limits) {
	case ByRangeMin:
		return ByPodRangeMin
	case ByRangeMax:
		return ByPodRangeMax
	case ByRangeRatio:
		return ByPodRangeRatio
	}
	return ByNothing
}

// fit makes what is settled legal for the pod as a whole; false if it stays as it is.
//
// Limits give way first: they lose what the limit policy gives them beyond what has to be. Then requests do: they go
// the same part of the way from what the containers asked for first to what was wanted, at the end of which the pod is
// as it was declared. Where all limits are proportional, requests are scaled as upstream does.
func (p *planner) fit(jobs []job) bool {
	if p.boundless() {
		return true
	}
	f, ok := p.fixedParts(jobs)
	if !ok {
		p.note(Step{Container: -1, Reason: ByAbsurdity, Skipped: true, problem: "a container that is not decided on has an absurd amount"})
		return false
	}
	by := p.refusal(jobs, f)
	if by == ByNothing || p.scale(jobs, f, by) {
		return true
	}
	fits := func(way, room int64) bool {
		for i := range jobs {
			j := &jobs[i]
			if j.settled = j.settle(j.onTheWay(way), room); !j.settled.ok {
				return false
			}
			if j.settled.requestBy == ByNothing || way < fullWay {
				j.settled.requestBy = by
			}
			if j.settled.limitBy == ByNothing || room < fullRoom {
				j.settled.limitBy = by
			}
		}
		return p.refusal(jobs, f) == ByNothing
	}
	way := largest(fullWay, func(way int64) bool { return fits(way, 0) || fits(way, fullRoom) })
	if way == 0 {
		p.note(Step{Container: -1, Reason: by, Skipped: true, problem: "no recommended amounts fit " + words[by]})
		return false
	}
	room := largest(fullRoom, func(room int64) bool { return fits(way, room) })
	return fits(way, room)
}

// largest returns the largest n up to most for which ok is true, where it is true for all below it; 0 if for none.
func largest(most int64, ok func(int64) bool) int64 {
	if ok(most) {
		return most
	}
	known, unknown := int64(0), most
	for unknown-known > 1 {
		if middle := (known + unknown) / 2; ok(middle) {
			known = middle
		} else {
			unknown = middle
		}
	}
	return known
}

// boundless reports whether nothing bounds the pod as a whole.
func (p *planner) boundless() bool { return p.whole == (span{}) && p.pod.Level == nil }

// fullWay is all of the way from the first request to the wanted one. See fullRoom for why it is no larger.
const fullWay = 1 << 16

func (j *job) onTheWay(way int64) int64 {
	return max(1, j.first.request+(j.want-j.first.request)*way/fullWay)
}

// scale gives all requests the same factor, so that the pod's sum is what is legal: upstream's way, where all limits
// keep their ratio. False if that does not lead to a legal pod, or they do not.
func (p *planner) scale(jobs []job, f fixed, by Reason) bool {
	var now total
	for i := range jobs {
		j := &jobs[i]
		if j.kind == multiple || j.kind == under {
			return false
		}
		now.add(Value{amount: j.settled.request, is: exact}, Value{amount: j.settled.limit, is: exact})
	}
	to, of := p.whole.max.amount-f.beside.limits.amount, now.limits.amount
	up := false
	if by == ByPodRangeMin {
		to = p.whole.min.amount - f.beside.limits.amount
		if least := p.whole.min.amount - f.beside.requests.amount; least > now.requests.amount {
			to, of, up = least, now.requests.amount, true
		}
	}
	if by != ByPodRangeMin && by != ByPodRangeMax || to <= 0 || of <= 0 {
		return false
	}
	fits := true
	before := make([]settled, len(jobs))
	for i := range jobs {
		j := &jobs[i]
		before[i] = j.settled
		j.settled = j.settle(mulDiv(j.settled.request, to, of, up), fullRoom)
		j.settled.requestBy, fits = by, fits && j.settled.ok
	}
	if fits && p.refusal(jobs, f) == ByNothing {
		return true
	}
	for i := range jobs {
		jobs[i].settled = before[i]
	}
	return false
}
