package loop

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

// group is the pods of one controller, and the VPAs on it. It exists while it has either.
type group struct {
	target target.Controller
	vpas   []*tracked
	pods   []*cluster.StartedPod // newest first, then by name
	// version changes with pods.
	version int32
}

// placed is a pod and where it belongs.
type placed struct {
	pod   *cluster.StartedPod
	group *group
}

// group returns the group of c, made if there is none.
func (l *Loop) group(c target.Controller) *group {
	g := l.groups[c]
	if g == nil {
		g = &group{target: c}
		l.groups[c] = g
	}
	return g
}

// release drops the group if nothing is left in it.
func (l *Loop) release(g *group) {
	if len(g.vpas) == 0 && len(g.pods) == 0 {
		delete(l.groups, g.target)
	}
}

// newestFirst is the order of a group's pods.
func newestFirst(a, b *cluster.StartedPod) int {
	if c := cmp.Compare(b.Created, a.Created); c != 0 {
		return c
	}
	return strings.Compare(a.Name.Name, b.Name.Name)
}

// match takes over what has happened to pods since the last time. It returns the VPAs whose containers were killed for
// memory, and their heirs.
func (l *Loop) match(ctx context.Context) []types.NamespacedName {
	ctx, cancel := context.WithTimeout(ctx, ownersTimeout)
	defer cancel()
	changes, err := l.cluster.PodChanges(ctx)
	if err != nil {
		l.log.Error(err, "Pods stay as they were in this round")
		return nil
	}
	for _, p := range changes.Pods {
		l.remove(p.Name, false)
		g := l.group(*p.Controller)
		at, _ := slices.BinarySearchFunc(g.pods, p, newestFirst)
		g.pods = slices.Insert(g.pods, at, p)
		g.version++
		l.pods[p.Name] = placed{pod: p, group: g}
	}
	var bumped []types.NamespacedName
	for _, oom := range changes.OOMs {
		bumped = append(bumped, l.bump(oom)...)
	}
	for _, name := range changes.Gone {
		l.remove(name, true)
	}
	return l.withHeirs(bumped)
}

// remove takes the pod out of its group; forget drops its running windows too.
func (l *Loop) remove(name types.NamespacedName, forget bool) {
	was, ok := l.pods[name]
	if !ok {
		return
	}
	delete(l.pods, name)
	g := was.group
	if at, found := slices.BinarySearchFunc(g.pods, was.pod, newestFirst); found {
		g.pods = slices.Delete(g.pods, at, at+1)
		g.version++
	}
	if forget {
		for _, t := range g.vpas {
			t.usage.Forget(name.Name)
		}
	}
	l.release(g)
}

// fold adds live samples to every VPA whose target the pod belongs to. Samples from before a VPA was tracked are
// history's.
func (l *Loop) fold(ctx context.Context) {
	if len(l.vpas) == 0 {
		return // a replica that stands by asks for nothing
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	now, counted, ahead := l.now(), 0, 0
	var pod types.NamespacedName
	var at placed
	round, err := l.metrics.Each(ctx, func(s usage.Sample) {
		if s.Container.Pod != pod.Name || s.Container.Namespace != pod.Namespace {
			pod = types.NamespacedName{Namespace: s.Container.Namespace, Name: s.Container.Pod}
			at = l.pods[pod]
		}
		if at.group == nil {
			return
		}
		s.Container.Pod = at.pod.Name.Name // which is kept anyway
		if s.Time.After(now) {
			s.Time = now // a clock that is ahead must not make a sample outweigh the past
			ahead++
		}
		for _, t := range at.group.vpas {
			if !s.Time.Before(t.since) && t.usage.Add(s) {
				counted++
			}
		}
	})
	l.meter.live(round, err, ahead)
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	if trouble != l.liveTrouble && err != nil {
		l.log.Error(err, "Live metrics are missing, or some of them", "counted", counted)
	}
	l.liveTrouble = trouble
	l.replace(round.Newest, now)
	l.log.V(1).Info("Folded live metrics", "pods", round.Pods, "counted", counted, "vpas", len(l.vpas))
}

const (
	// liveTimeout bounds an answer of the metrics API: a server that hangs must not stop the rounds.
	liveTimeout = time.Minute
	// ownersTimeout bounds the reading of owners that the cache does not have; what is left waits for the next round.
	ownersTimeout = 30 * time.Second
)
