package loop

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

// track takes up VPAs that are new or have changed and lets go of those that are gone. It returns whose
// publication is due for that.
func (l *Loop) track(ctx context.Context) []types.NamespacedName {
	vpas, err := l.cluster.VPAs(ctx)
	if err != nil {
		l.log.Error(err, "VPAs stay as they were in this round")
		return nil
	}
	var due, taken []types.NamespacedName
	present := make(map[types.NamespacedName]bool, len(vpas))
	for _, vpa := range vpas {
		name := types.NamespacedName{Namespace: vpa.Namespace, Name: vpa.Name}
		present[name] = true
		changed, isNew := l.take(name, vpa)
		if isNew {
			taken = append(taken, name)
		}
		if changed {
			due = append(due, name)
		}
	}
	for name, t := range l.vpas {
		if !present[name] {
			l.drop(t)
			due = append(due, name)
		}
	}
	if len(due) == 0 {
		return nil
	}
	l.restore(ctx, taken)
	for _, name := range taken {
		if t := l.vpas[name]; t != nil {
			l.wantHistory(t)
		}
	}
	l.inheritances()
	return l.withHeirs(due)
}

// take makes vpa the one that is tracked under its name, and reports whether it differs from what was there and
// whether it starts anew. A VPA that was recreated, or given another target, starts anew: what its old target used
// says nothing of the new one.
func (l *Loop) take(name types.NamespacedName, vpa *vpav1.VerticalPodAutoscaler) (changed, isNew bool) {
	t := l.vpas[name]
	if t != nil && (t.vpa == vpa || olderThan(vpa, t.vpa)) {
		return false, false
	}
	controller, err := target.Of(vpa)
	if t != nil && t.vpa.UID == vpa.UID && t.group.target == controller {
		changed = t.vpa.Generation != vpa.Generation || !maps.Equal(t.vpa.Annotations, vpa.Annotations)
		t.targetErr = err
		l.adopt(t, vpa)
		return changed, false
	}
	fresh := &tracked{
		group: l.group(controller), targetErr: err,
		// History is by the minute and ends where live samples begin.
		since: l.now().Truncate(time.Minute),
		usage: aggregate.NewWorkload(l.options.Aggregate),
		// What is published for an earlier target, or for another VPA of the name, says nothing of this one.
		restored: t == nil, confident: t == nil && confident(vpa),
	}
	fresh.covered.From = fresh.since
	fresh.group.vpas = append(fresh.group.vpas, fresh)
	if t != nil {
		l.drop(t)
	}
	l.vpas[name], l.names = fresh, nil
	l.adopt(fresh, vpa)
	l.log.Info("VPA is tracked", "vpa", name, "target", controller.String())
	return true, true
}

// adopt takes over the object as it is now.
func (l *Loop) adopt(t *tracked, vpa *vpav1.VerticalPodAutoscaler) {
	before := t.vpa
	t.vpa, t.unreadable = vpa, cluster.Unreadable(vpa)
	if before == nil || before.Generation != vpa.Generation || !maps.Equal(before.Annotations, vpa.Annotations) {
		t.containers = nil
	}
	if t.written == nil || !sameStatus(t.written, &vpa.Status) {
		// Somebody else wrote it, or it was there before us: decide on what is published, and write what differs.
		t.decided, t.written = nil, nil
		t.published = publishedIn(&vpa.Status)
		if before == nil {
			t.remember(&vpa.Status, l.now())
		}
	}
}

// drop lets go of a VPA that is gone, or not ours any more.
func (l *Loop) drop(t *tracked) {
	delete(l.vpas, t.name())
	l.names = nil
	t.dropped = true
	t.group.vpas = slices.DeleteFunc(t.group.vpas, func(o *tracked) bool { return o == t })
	l.release(t.group)
	if l.history != nil {
		l.history.Forget(t.name())
	}
	l.log.Info("VPA is not tracked any more", "vpa", t.name())
}

// retainWindows forgets the running windows of pods that are gone, of which history and checkpoints may bring some.
func (l *Loop) retainWindows(t *tracked) {
	t.usage.Retain(func(pod string) bool {
		at, ok := l.pods[types.NamespacedName{Namespace: t.vpa.Namespace, Name: pod}]
		return ok && at.group == t.group
	})
}

// olderThan reports whether a was read before b was written: the cache lags behind our own writes.
func olderThan(a, b *vpav1.VerticalPodAutoscaler) bool {
	x, errX := strconv.ParseUint(a.ResourceVersion, 10, 64)
	y, errY := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return errX == nil && errY == nil && x < y
}

// inheritances finds out anew who inherits from whom.
func (l *Loop) inheritances() {
	clear(l.heirs)
	for _, t := range l.vpas {
		link := lineage.Of(t.vpa.Name, t.vpa.Annotations, l.options.CandidateSuffix, func(name string) (map[string]string, bool) {
			primary := l.vpas[types.NamespacedName{Namespace: t.vpa.Namespace, Name: name}]
			if primary == nil {
				return nil, false
			}
			return primary.vpa.Annotations, true
		})
		if t.link = nil; link.Primary != "" || link.Refused != "" || len(link.Invalid) > 0 {
			t.link = &link
		}
		if link.Primary != "" {
			primary := types.NamespacedName{Namespace: t.vpa.Namespace, Name: t.link.Primary}
			l.heirs[primary] = append(l.heirs[primary], t.name())
		}
	}
	for _, heirs := range l.heirs {
		slices.SortFunc(heirs, byName)
	}
}

// withHeirs returns the VPAs and those that inherit from them, each once.
func (l *Loop) withHeirs(names []types.NamespacedName) []types.NamespacedName {
	all := slices.Clone(names)
	for _, name := range names {
		all = append(all, l.heirs[name]...)
	}
	slices.SortFunc(all, byName)
	return slices.Compact(all)
}

// all returns every VPA in a stable order. The list is the loop's: read only.
func (l *Loop) all() []types.NamespacedName {
	if l.names == nil {
		l.names = slices.SortedFunc(maps.Keys(l.vpas), byName)
	}
	return l.names
}

func byName(a, b types.NamespacedName) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}
