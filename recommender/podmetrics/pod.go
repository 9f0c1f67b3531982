package podmetrics

import (
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Reason is why a value was dropped.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	NotANumber        Reason = "not-a-number"
	Negative          Reason = "negative"
	TooLarge          Reason = "too-large"           // above usage.MaxAmount
	NoName            Reason = "no-name"             // its namespace, pod or container has none, or one that is too long
	NoTimestamp       Reason = "no-timestamp"        // missing, zero, or not in RFC 3339
	TooManyContainers Reason = "too-many-containers" // in one pod
)

// Reasons are all of them.
var Reasons = [...]Reason{NotANumber, Negative, TooLarge, NoName, NoTimestamp, TooManyContainers}

const (
	// maxName is the longest name that Kubernetes gives a pod, in bytes; namespaces' and containers' are shorter.
	maxName = 253
	// maxContainers is how many containers of one pod are held until it ends. A pod in etcd has place for fewer.
	maxContainers = 4096
)

// pod is the pod that is being read. Its parts come in any order, so that it is held to its end.
type pod struct {
	namespace, name string
	time            time.Time
	containers      []container
}

type container struct {
	name   string
	values [len(usage.Resources)]value
}

// value is an amount, or the fault for which it is dropped.
type value struct {
	set    bool
	fault  Reason
	amount usage.Amount
}

func (p *pod) reset() { *p = pod{containers: p.containers[:0]} }

// last is the container that is being read.
func (p *pod) last() *container { return &p.containers[len(p.containers)-1] }

// bound drops the last container if there are too many.
func (p *pod) bound(round *Round) {
	if len(p.containers) <= maxContainers {
		return
	}
	for _, v := range p.last().values {
		if v.set {
			round.Dropped[TooManyContainers]++
		}
	}
	p.containers = p.containers[:maxContainers]
}

// flush passes the pod's values to f, and counts those that it cannot pass.
func (p *pod) flush(round *Round, f func(usage.Sample)) {
	for i := range p.containers {
		c := &p.containers[i]
		for _, r := range usage.Resources {
			v := c.values[r]
			if !v.set {
				continue
			}
			if fault := p.fault(c, v); fault != "" {
				round.Dropped[fault]++
				continue
			}
			if p.time.After(round.Newest) {
				round.Newest = p.time
			}
			f(usage.Sample{
				Container: usage.Container{Namespace: p.namespace, Pod: p.name, Name: c.name},
				Resource:  r, Time: p.time, Amount: v.amount,
			})
		}
	}
}

func (p *pod) fault(c *container, v value) Reason {
	switch {
	case v.fault != "":
		return v.fault
	case !isName(p.namespace) || !isName(p.name) || !isName(c.name):
		return NoName
	case p.time.IsZero():
		return NoTimestamp
	}
	return ""
}

func isName(s string) bool { return s != "" && len(s) <= maxName }

// parseTime returns the zero time for what is no time.
func parseTime(text []byte) time.Time {
	var t time.Time
	if t.UnmarshalText(text) == nil {
		return t.UTC()
	}
	// metav1.Time takes some that RFC 3339 does not allow, such as an hour of one digit.
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
