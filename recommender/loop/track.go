package loop

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// tracked is what is known of one VPA.
type tracked struct {
	vpa *vpav1.VerticalPodAutoscaler
	// target is what its targetRef names; targetErr is set instead if that cannot be understood.
	target    target.Controller
	targetErr error
	// since is where history ends and live samples begin.
	since time.Time
	usage *aggregate.Workload
	past  past
	// restored is set when what the VPA's status recommends was there before this process, and is of this target as
	// far as anybody knows; confident when it stands on a day of samples or more. Both say what may be held.
	restored, confident bool
	// pods are those of the last round, newest first.
	pods []cluster.Pod
}

// past is how far the reading of history has come.
type past struct {
	state   pastState
	reason  string // why it fails
	samples int
}

type pastState int

const (
	none    pastState = iota // there is no server to read from
	reading                  // no answer yet
	failing                  // no answer yet, and the last attempt failed
	loaded                   // answered, if only with nothing
)

func (p past) pending() bool { return p.state == reading || p.state == failing }

// known reports whether there is history to stand on.
func (p past) known() bool { return p.state == loaded && p.samples > 0 }

// confident reports whether the VPA has a recommendation that stands on a day of samples or more.
func confident(vpa *vpav1.VerticalPodAutoscaler) bool {
	for _, c := range vpa.Status.Conditions {
		if c.Type == vpav1.LowConfidence && c.Status == corev1.ConditionTrue {
			return false
		}
	}
	return vpa.Status.Recommendation != nil
}

// track takes up VPAs that are new or have changed and lets go of those that are gone. It returns whose
// publication is due for that.
func (l *Loop) track(ctx context.Context) []types.NamespacedName {
	vpas, err := l.cluster.VPAs(ctx)
	if err != nil {
		l.log.Error(err, "VPAs stay as they were in this round")
		return nil
	}
	var due []types.NamespacedName
	present := make(map[types.NamespacedName]bool, len(vpas))
	for _, vpa := range vpas {
		name := types.NamespacedName{Namespace: vpa.Namespace, Name: vpa.Name}
		present[name] = true
		if l.take(name, vpa) {
			due = append(due, l.withCandidates(name)...)
		}
	}
	for name := range l.vpas {
		if present[name] {
			continue
		}
		delete(l.vpas, name)
		if l.history != nil {
			l.history.Forget(name)
		}
		l.log.Info("VPA is gone, what it learnt is dropped", "vpa", name)
		due = append(due, l.withCandidates(name)...)
	}
	return due
}

// take makes vpa the one that is tracked under its name; true if it differs from what was there. A VPA that was
// recreated, or given another target, starts anew: what its old target used says nothing of the new one.
func (l *Loop) take(name types.NamespacedName, vpa *vpav1.VerticalPodAutoscaler) bool {
	controller, err := target.Of(vpa)
	t := l.vpas[name]
	if t != nil && t.vpa.UID == vpa.UID && t.target == controller {
		changed := t.vpa.Generation != vpa.Generation
		if !olderThan(vpa, t.vpa) {
			t.vpa = vpa
		}
		t.targetErr = err
		return changed
	}
	t = &tracked{
		vpa: vpa, target: controller, targetErr: err,
		since: l.now().Truncate(time.Minute),
		usage: aggregate.NewWorkload(l.options.Aggregate),
		// What is published for an earlier target, or for another VPA of the name, says nothing of this one.
		restored: t == nil, confident: confident(vpa),
	}
	l.vpas[name] = t
	l.log.Info("VPA is tracked", "vpa", name, "target", controller.String())
	if l.history == nil {
		return true
	}
	l.history.Forget(name)
	if err == nil {
		t.past.state = reading
		l.history.Want(name, history.Window{Workload: workloadOf(controller), From: t.since.Add(-l.options.HistoryLength), To: t.since})
	}
	return true
}

func workloadOf(c target.Controller) history.Workload {
	return history.Workload{Namespace: c.Namespace, Kind: c.Kind, Name: c.Name}
}

// olderThan reports whether a was read before b was written: the cache lags behind our own writes.
func olderThan(a, b *vpav1.VerticalPodAutoscaler) bool {
	x, errX := strconv.ParseUint(a.ResourceVersion, 10, 64)
	y, errY := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return errX == nil && errY == nil && x < y
}

// match gives each VPA the pods of its target, and forgets the running windows of pods that are gone.
func (l *Loop) match(ctx context.Context) {
	pods, err := l.cluster.Pods(ctx)
	if err != nil {
		l.log.Error(err, "Pods stay as they were in this round")
		return
	}
	byController := map[target.Controller][]cluster.Pod{}
	for _, p := range pods {
		byController[p.Controller] = append(byController[p.Controller], p)
	}
	for _, list := range byController {
		slices.SortFunc(list, func(a, b cluster.Pod) int {
			if c := b.Created.Compare(a.Created); c != 0 {
				return c
			}
			return strings.Compare(a.Name.Name, b.Name.Name)
		})
	}
	for _, t := range l.vpas {
		if t.targetErr == nil {
			t.pods = byController[t.target]
			t.retainWindows()
		}
	}
}

// withCandidates returns the VPA and those that inherit from it.
func (l *Loop) withCandidates(name types.NamespacedName) []types.NamespacedName {
	candidate := types.NamespacedName{Namespace: name.Namespace, Name: name.Name + l.options.CandidateSuffix}
	if l.vpas[candidate] == nil || lineage.Of(candidate.Name, l.options.CandidateSuffix).Primary != name.Name {
		return []types.NamespacedName{name}
	}
	return []types.NamespacedName{name, candidate}
}

// all returns every VPA in a stable order.
func (l *Loop) all() []types.NamespacedName {
	names := make([]types.NamespacedName, 0, len(l.vpas))
	for name := range l.vpas {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	return names
}
