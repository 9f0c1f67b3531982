package policy

// putBack makes the containers that something is recommended for what they declared, where they were patched before and
// the pod is not legal as it is: with what came since, such as a sidecar of another webhook's, nothing that is recommended
// is. Nothing is put back that would not help.
func (p *planner) putBack(jobs []job) {
	if p.legal() {
		return
	}
	r, sound := p.resource, true
	for i := range jobs {
		at := jobs[i].at
		c, o := &p.pod.Containers[at], &p.decision.Containers[at]
		request, limit := c.First.Requests[r], c.Now.Limits[r]
		if jobs[i].setsLimit() {
			limit = c.First.Limits[r]
		}
		o.Back.Requests[r], o.Back.Limits[r] = request, limit
		o.Gone[r] = !request.IsSet() && c.Now.Requests[r].IsSet()
		sound = sound && p.sound(request, limit)
	}
	if sound && p.legal() {
		return
	}
	for i := range jobs {
		o := &p.decision.Containers[jobs[i].at]
		o.Back.Requests[r], o.Back.Limits[r], o.Gone[r] = Value{}, Value{}, false
	}
}

// legal reports whether the pod as a whole is, with what is put back.
func (p *planner) legal() bool {
	f, ok := p.fixedParts(nil)
	return ok && p.refusal(nil, f) == ByNothing
}

// sound reports whether a container can ask for this.
func (p *planner) sound(request, limit Value) bool {
	if limit.IsSet() && (!request.IsSet() || request.amount > limit.amount) {
		return false
	}
	if p.pod.Level != nil {
		if most := p.pod.Level.Limits[p.resource]; most.IsSet() && limit.amount > most.amount {
			return false
		}
	}
	return p.container.breach(p.resource, request, limit) == ByNothing
}

// left is what a container asks for that nothing is decided for.
func (p *planner) left(at int) (request, limit Value) {
	c, o, r := &p.pod.Containers[at], &p.decision.Containers[at], p.resource
	request, limit = c.Now.Requests[r], c.Now.Limits[r]
	if back := o.Back.Requests[r]; back.IsSet() || o.Gone[r] {
		request = back
	}
	if back := o.Back.Limits[r]; back.IsSet() {
		limit = back
	}
	return request, limit
}
