package policy

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Quota is what a ResourceQuota leaves to the next pod of its namespace.
type Quota struct {
	name string
	left Resources // what is not set is not bounded
}

// QuotasOf returns what each of all leaves, by its status; nothing of those that bound no CPU and no memory, or not that
// of all pods: whom scopes select is not looked into.
func QuotasOf(all []*corev1.ResourceQuota) []Quota {
	var quotas []Quota
	for _, one := range all {
		if quota, bounds := quotaOf(one); bounds {
			quotas = append(quotas, quota)
		}
	}
	return quotas
}

func quotaOf(q *corev1.ResourceQuota) (Quota, bool) {
	if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
		return Quota{}, false
	}
	quota := Quota{name: q.Name}
	for _, r := range usage.Resources {
		name := resourceName(r)
		quota.left.Requests[r] = left(q, r, "requests."+name)
		if plain := left(q, r, name); less(plain, quota.left.Requests[r]) {
			quota.left.Requests[r] = plain
		}
		quota.left.Limits[r] = left(q, r, "limits."+name)
	}
	return quota, quota.left != Resources{}
}

// left is not set where nothing is bounded, or by what cannot be computed with.
func left(q *corev1.ResourceQuota, r usage.Resource, name corev1.ResourceName) Value {
	hard, bounded := q.Spec.Hard[name]
	if !bounded {
		return Value{}
	}
	most, used := ValueOf(r, hard), ValueOf(r, q.Status.Used[name])
	if most.is != exact || used.is != exact {
		return Value{}
	}
	return most.with(most.amount - used.amount)
}

func less(a, b Value) bool { return a.IsSet() && (!b.IsSet() || a.amount < b.amount) }

// Short says in words that the pod asks for more than is left, with what was decided for its containers, and more than
// without; empty if it does not. Nothing can be done about it: less than what is recommended is for people to decide.
func (q *Quota) Short(p *Pod, decided []Outcome) string {
	for _, r := range usage.Resources {
		before, known := p.total(r, nil)
		after, ok := p.total(r, decided)
		if !known || !ok {
			continue
		}
		for _, one := range []struct {
			what                string
			left, before, after Value
		}{
			{"requests", q.left.Requests[r], before.requests, after.requests},
			{"limits", q.left.Limits[r], before.limits, after.limits},
		} {
			if one.left.IsSet() && one.after.amount > one.left.amount && one.after.amount > one.before.amount {
				return fmt.Sprintf("ResourceQuota %s leaves %s of %s.%s, and the pod asks for %s: Kubernetes rejects it; raise the quota, or bound what is recommended by maxAllowed",
					q.name, one.left.with(max(0, one.left.amount)).text(r), one.what, r, one.after.text(r))
			}
		}
	}
	return ""
}

// total is what the pod requests and limits in all, with what was decided for its containers (nil for nothing); false
// where an amount is absurd.
func (p *Pod) total(r usage.Resource, decided []Outcome) (total, bool) {
	sum, before, ok := p.initTotals(r)
	if !ok {
		return total{}, false
	}
	for i := range p.Containers {
		now := p.Containers[i].Now
		if decided != nil {
			now = decided[i].over(now)
		}
		if now.Requests[r].absurd() || now.Limits[r].absurd() {
			return total{}, false
		}
		sum.add(now.Requests[r], now.Limits[r])
	}
	sum.atLeast(before)
	if p.Level != nil {
		sum.requests, sum.limits = stated(p.Level.Requests[r], sum.requests), stated(p.Level.Limits[r], sum.limits)
	}
	return sum, !sum.requests.absurd() && !sum.limits.absurd()
}

// stated is the pod's own amount, or else the sum of its containers'.
func stated(level, sum Value) Value {
	if level.IsSet() {
		return level
	}
	return sum
}

// over is what a container asks for that asked for now, with the outcome.
func (o *Outcome) over(now Resources) Resources {
	for _, r := range usage.Resources {
		now.Requests[r] = stated(o.Requests[r], stated(o.Back.Requests[r], now.Requests[r]))
		now.Limits[r] = stated(o.Limits[r], stated(o.Back.Limits[r], now.Limits[r]))
		if o.Gone[r] {
			now.Requests[r] = Value{}
		}
	}
	return now
}
