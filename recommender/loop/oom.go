package loop

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

// oomed is a container name whose containers were killed for memory.
type oomed struct {
	container string
	last      time.Time
	// kills are those of the last day, capped at loopKills.
	kills int
	// reported is the most memory that an event has told of.
	reported usage.Amount
}

// loopKills is from how many kills within a day on a container is said to be killed again and again.
const loopKills = 3

// bump takes an OOM kill as memory that the container needs, for every VPA on its pod. It returns those VPAs.
func (l *Loop) bump(oom cluster.OOM) (bumped []types.NamespacedName) {
	at, ok := l.pods[types.NamespacedName{Namespace: oom.Container.Namespace, Name: oom.Container.Pod}]
	if !ok || !slices.Contains(at.pod.Shape.Containers, oom.Container.Name) {
		return nil // it is gone, or an init container
	}
	for _, t := range at.group.vpas {
		when := oom.At
		if now := l.now(); when.After(now) {
			when = now
		}
		if !when.After(t.restoredTo) {
			continue // the API server tells of evictions again after a restart; this one is in the checkpoint
		}
		amount, counted := t.usage.AddOOM(oom.Container, oom.Memory, when)
		if !counted {
			l.log.Info("An OOM kill is too old to count", "vpa", t.name(), "pod", oom.Container.Pod, "container", oom.Container.Name, "at", oom.At)
			continue
		}
		l.meter.ooms.Inc()
		bumped = append(bumped, t.name())
		o := t.killed(oom.Container.Name, when)
		if amount <= o.reported {
			continue // told already: the same container, killed at the same size
		}
		o.reported = amount
		l.saveFirst(t)
		l.cluster.Event(t.vpa, corev1.EventTypeWarning, "OOMKilled", oomMessage(oom, amount))
	}
	return bumped
}

func oomMessage(oom cluster.OOM, amount usage.Amount) string {
	had := "requested " + people(usage.Memory, oom.Memory)
	how := "was killed for memory"
	if oom.Evicted {
		how, had = "was evicted for want of memory", "used "+people(usage.Memory, oom.Memory)
	}
	return fmt.Sprintf("Container %s of pod %s %s; it %s. It counts as having needed %s.", oom.Container.Name, oom.Container.Pod, how, had, people(usage.Memory, amount))
}

// killed takes down that a container was killed.
func (t *tracked) killed(container string, at time.Time) *oomed {
	for i := range t.ooms {
		o := &t.ooms[i]
		if o.container != container {
			continue
		}
		if at.Sub(o.last) >= day {
			o.kills = 0
		}
		o.last, o.kills = latest(o.last, at), min(o.kills+1, loopKills)
		return o
	}
	t.ooms = append(t.ooms, oomed{container: container, last: at, kills: 1})
	return &t.ooms[len(t.ooms)-1]
}

// wasOOMKilled reports whether a container of this name was killed for memory in this process.
func (t *tracked) wasOOMKilled(container string) bool {
	for i := range t.ooms {
		if t.ooms[i].container == container && t.ooms[i].reported > 0 {
			return true
		}
	}
	return false
}

// looping reports whether containers of this name are killed for memory again and again.
func (t *tracked) looping(container string, now time.Time) bool {
	for i := range t.ooms {
		if o := &t.ooms[i]; o.container == container {
			return o.kills >= loopKills && now.Sub(o.last) < day
		}
	}
	return false
}

// remember takes from a status that was there before this process that containers are killed again and again, so that it
// is not told anew.
func (t *tracked) remember(status *vpav1.VerticalPodAutoscalerStatus, now time.Time) {
	for _, c := range status.Conditions {
		if c.Type != Capped || c.Reason != reasonOOMLoop {
			continue
		}
		for i := range t.published {
			t.ooms = append(t.ooms, oomed{container: t.published[i].name, last: now, kills: loopKills})
		}
	}
}
