package policy

import (
	"cmp"
	"slices"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Decision is what a pod's containers shall ask for.
type Decision struct {
	// Containers are those of the pod, in its order.
	Containers []Outcome
	// Steps tell how it came about: by container, what concerns all of them last; cpu before memory, and in the order in
	// which they were taken. Those that warn are for people to see.
	Steps []Step
}

// Outcome is what one container shall ask for. What is not set stays as it is.
type Outcome struct {
	Resources
	// Boosted is set where its CPU is more than it is going to need when it has started: see BoostAnnotation.
	Boosted bool
	// Back are amounts that the pod declared, and that are to be put back where it was patched before: with what came
	// since, such as a sidecar, nothing recommended is legal. Gone tells of requests that were not declared, and are to be
	// taken out again.
	Back Resources
	Gone [len(usage.Resources)]bool
}

// Sets reports whether anything is set beyond what was declared.
func (o *Outcome) Sets() bool { return o.Resources != Resources{} }

// Decide returns what the containers of pod shall ask for under rules, in a namespace with these ranges (nil for
// none). Where no legal result exists a resource is left as it was declared, and a Step says why.
//
// It is a function of what the pod declared: decided again for the pod that it led to, it is the same.
func Decide(pod *Pod, rules *Rules, ranges *Ranges) Decision {
	d := Decision{Containers: make([]Outcome, len(pod.Containers))}
	if len(rules.containers) == 0 && rules.boost == nil {
		return d
	}
	p := planner{pod: pod, rules: rules, decision: d}
	for _, r := range usage.Resources {
		p.resource, p.container, p.whole = r, ranges.ofContainer(r), ranges.ofPod(r)
		p.plan()
	}
	slices.SortStableFunc(p.decision.Steps, func(a, b Step) int { return cmp.Compare(uint(a.Container), uint(b.Container)) })
	return p.decision
}

// planner decides one resource of all containers.
type planner struct {
	pod      *Pod
	rules    *Rules
	decision Decision
	resource usage.Resource
	// container and whole bound each container and the pod as a whole.
	container, whole span
}

func (p *planner) plan() {
	var few [4]job
	jobs := few[:0]
	for i := range p.pod.Containers {
		if j, ok := p.job(i); ok {
			if j.settled = j.settle(j.want, fullRoom); j.settled.ok {
				jobs = append(jobs, j)
				continue
			}
			p.leave(&j)
		}
	}
	if len(jobs) == 0 {
		return
	}
	if !p.fit(jobs) {
		p.putBack(jobs)
		return
	}
	for i := range jobs {
		p.set(&jobs[i])
	}
}

// job returns what is to be decided for a container, up to the request that it shall have; false if nothing is.
func (p *planner) job(at int) (job, bool) {
	c, r := &p.pod.Containers[at], p.resource
	rules := p.rules.of(c.Name)
	j := job{at: at, resource: r, rule: &p.rules.limits[r], span: p.container, floor: p.rules.floorOf(c, r)}
	limitsFollow := false
	if rules != nil && (rules.resources[r].target.IsSet()) {
		one := &rules.resources[r]
		if one.problem != "" {
			p.note(Step{Container: at, Reason: ByAbsurdity, Skipped: true, problem: one.problem})
			return j, false
		}
		j.want, j.format, j.most, limitsFollow = one.want.amount, one.want, one.most, rules.limits
		if one.by != ByNothing {
			p.step(at, one.by, one.target, one.want)
		}
		if j.want < j.floor {
			p.step(at, ByFloor, one.want, one.want.with(j.floor))
			j.want = j.floor
		}
	}
	if r == usage.CPU && p.rules.boost != nil {
		limitsFollow = p.boost(&j, c, limitsFollow)
	}
	if j.want == 0 {
		return j, false
	}
	return j, p.shape(&j, c, limitsFollow)
}

// boost raises the request for the start of the container. One that nothing is recommended for is boosted from what it
// declared.
func (p *planner) boost(j *job, c *PodContainer, limitsFollow bool) bool {
	base := j.want
	if base == 0 {
		base = max(0, c.First.Requests[usage.CPU].amount)
	}
	boosted, ok := p.rules.boost.of(c.Name, base)
	if !ok || boosted <= base {
		return limitsFollow
	}
	if j.want == 0 {
		limitsFollow = ForContainer(p.rules.policies, c.Name).ControlledLimits
	}
	p.step(j.at, ByBoost, j.value(base), j.value(boosted))
	j.want = boosted
	j.boosted = true
	return limitsFollow
}

// shape finds out how the job's limit follows from its request; false if the container has to be left alone.
func (p *planner) shape(j *job, c *PodContainer, limitsFollow bool) bool {
	r := p.resource
	request, limit := c.First.Requests[r], c.First.Limits[r]
	if p.pod.Level != nil {
		if !p.pod.asks(r) {
			p.skip(j.at, ByPodResources, j.value(j.want), Value{})
			return false
		}
		j.bound(p.pod.Level.Limits[r])
	}
	switch {
	case limit.absurd() || c.Now.Limits[r].absurd():
		return p.absurdLimit(j, limit)
	case request.absurd() || c.Now.Requests[r].absurd():
		p.skip(j.at, ByAbsurdity, request, Value{})
		return false
	}
	j.first = pair{request.amount, limit.amount}
	j.declared = limit.amount
	if c.defaulted&limitMark(r) != 0 {
		j.declared = 0
	}
	fixed := !limitsFollow || j.rule.mode == LimitNone
	switch {
	case p.pod.Guaranteed && fixed:
		p.skip(j.at, ByGuaranteed, j.value(j.want), limit)
		return false
	case p.pod.Guaranteed:
		j.kind, j.wholeCPUs = equal, r == usage.CPU && whole(limit)
		return !j.wholeCPUs || p.makeWhole(j)
	case !limit.IsSet():
		j.kind = alone
	case fixed:
		// Nobody changes it here, so that what counts is what is there.
		j.kind, j.first.limit = under, c.Now.Limits[r].amount
	case !limit.sane(r):
		return p.absurdLimit(j, limit)
	case j.rule.mode == LimitProportional:
		j.kind = proportional
	default:
		j.kind = multiple
	}
	if p.rules.bounded && j.most.sane(r) {
		j.limitMost = j.most.amount
	}
	return true
}

func (p *planner) absurdLimit(j *job, limit Value) bool {
	p.note(Step{Container: j.at, Reason: ByAbsurdity, Limit: true, Skipped: true, From: limit, To: j.value(j.want)})
	return false
}

// makeWhole rounds the request of a container that keeps whole CPUs up, or down where that would pass maxAllowed;
// false if no whole CPU fits under that.
func (p *planner) makeWhole(j *job) bool {
	amount := roundUp(j.want, milliPerCore)
	if j.most.sane(p.resource) {
		amount = min(amount, j.most.amount/milliPerCore*milliPerCore)
	}
	if amount = max(amount, j.floor); amount == 0 {
		p.skip(j.at, ByWholeCPUs, j.value(j.want), j.most)
		return false
	}
	if amount != j.want {
		p.step(j.at, ByWholeCPUs, j.value(j.want), j.value(amount))
		j.want = amount
	}
	return true
}

// set writes down what was settled, and the steps that led there.
func (p *planner) set(j *job) {
	o, r, s := &p.decision.Containers[j.at], p.resource, &j.settled
	o.Requests[r], o.Boosted = j.value(s.request), o.Boosted || j.boosted
	if s.requestBy != ByNothing && s.request != j.want {
		p.step(j.at, s.requestBy, j.value(j.want), j.value(s.request))
	}
	if !j.setsLimit() {
		return
	}
	limit := Value{amount: s.limit, is: exact, decimal: j.kind == proportional && p.pod.Containers[j.at].First.Limits[r].decimal}
	if j.kind == equal {
		limit.decimal = j.format.decimal
	}
	o.Limits[r] = limit
	p.note(Step{Container: j.at, Reason: ByLimitPolicy, Limit: true, From: limit.with(j.first.limit), To: limit.with(s.wanted)})
	if s.limit != s.wanted {
		p.note(Step{Container: j.at, Reason: s.limitBy, Limit: true, From: limit.with(s.wanted), To: limit})
	}
}

// leave says why a container is left as it was declared.
func (p *planner) leave(j *job) {
	against := j.most
	switch by := j.settled.requestBy; {
	case by == ByAbsurdity && j.setsLimit():
		p.absurdLimit(j, j.value(j.first.limit))
		return
	case by == ByLimit:
		against = j.value(j.first.limit)
	}
	p.skip(j.at, j.settled.requestBy, j.value(j.want), against)
}

func (p *planner) step(at int, by Reason, from, to Value) {
	p.note(Step{Container: at, Reason: by, From: from, To: to})
}

func (p *planner) skip(at int, by Reason, from, to Value) {
	p.note(Step{Container: at, Reason: by, Skipped: true, From: from, To: to})
}

func (p *planner) note(s Step) {
	if p.decision.Steps == nil {
		p.decision.Steps = make([]Step, 0, 2*len(p.pod.Containers))
	}
	s.Resource = p.resource
	p.decision.Steps = append(p.decision.Steps, s)
}
