package loop

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/checkpoint"
)

// listTimeout bounds the reading of all checkpoints: tens of megabytes where there are ten thousand VPAs.
const listTimeout = 2 * time.Minute

// patience is how long VPAs wait for checkpoints that cannot be read. Who went on without would soon write over them.
const patience = 5 * time.Minute

// restore fills VPAs that were just taken up from their checkpoints. If these cannot be read it lets go of the VPAs, so
// that the next round takes them up again; they keep what is published.
func (l *Loop) restore(ctx context.Context, taken []types.NamespacedName) {
	wanted := map[types.NamespacedName]*tracked{}
	for _, name := range taken {
		// A VPA that was retargeted has none that is its own. One that comes while others are worked on, and for which
		// nothing is published, is new: all checkpoints need not be read for it.
		if t := l.vpas[name]; t.restored && t.targetErr == nil && (l.finished.Load() == 0 || len(t.published) > 0) {
			wanted[name] = t
		}
	}
	if l.options.CheckpointInterval == 0 || len(wanted) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	found := map[*tracked][]checkpoint.Decoded{}
	err := l.cluster.Checkpoints(ctx, func(cp *vpav1.VerticalPodAutoscalerCheckpoint) {
		t := wanted[types.NamespacedName{Namespace: cp.Namespace, Name: cp.Spec.VPAObjectName}]
		if t == nil {
			return
		}
		decoded, err := checkpoint.Decode(cp, t.owner())
		switch {
		case errors.Is(err, checkpoint.ErrOtherOwner):
			l.log.Info("A checkpoint of an earlier VPA or target is not used", "checkpoint", cp.Namespace+"/"+cp.Name, "reason", err.Error())
		case err != nil:
			l.meter.checkpoints.Inc()
			l.log.Error(err, "A checkpoint cannot be used")
		case !decoded.Owned && cp.CreationTimestamp.Before(&t.vpa.CreationTimestamp):
			l.log.Info("A checkpoint that is older than its VPA is not used", "checkpoint", cp.Namespace+"/"+cp.Name)
		default:
			found[t] = append(found[t], decoded)
		}
	})
	if err != nil {
		l.notRestored(err, wanted)
		return
	}
	l.unreadable = time.Time{}
	for t, decoded := range found {
		l.load(t, decoded)
	}
}

// notRestored lets go of VPAs whose checkpoints cannot be read, unless that has been so for long.
func (l *Loop) notRestored(err error, wanted map[types.NamespacedName]*tracked) {
	now := l.now()
	if l.unreadable.IsZero() {
		l.unreadable = now
	}
	if l.started.Load() == 0 || now.Sub(l.unreadable) >= patience {
		l.log.Error(err, "Checkpoints cannot be read, and VPAs are worked on without")
		return
	}
	l.log.Error(err, "Checkpoints cannot be read, VPAs wait for the next round", "vpas", len(wanted))
	for _, t := range wanted {
		l.drop(t)
	}
}

// load takes over a VPA's checkpoints. Where history can be read they count only if there is one for each container of
// its pods: else history would have to be read for some containers and not for others.
func (l *Loop) load(t *tracked, decoded []checkpoint.Decoded) {
	if l.history != nil && !l.complete(t, decoded) {
		l.log.Info("Not every container has a checkpoint: history is read instead", "vpa", t.name())
		return
	}
	covered := checkpoint.Coverage{From: decoded[0].Coverage.From, To: decoded[0].Coverage.To}
	saved := decoded[0].Saved
	for _, d := range decoded {
		if err := t.usage.Load(d.Container, d.Checkpoint); err != nil {
			l.meter.checkpoints.Inc()
			l.log.Error(err, "A checkpoint cannot be used", "vpa", t.name(), "container", d.Container)
			continue
		}
		t.checkpointed = true
		covered.From, covered.To = latest(covered.From, d.Coverage.From), latest(covered.To, d.Coverage.To)
		saved = latest(saved, d.Saved)
	}
	if !t.checkpointed {
		return
	}
	now := l.now()
	// A clock that was ahead when it was saved must not hide what comes now.
	if covered.To.After(now) {
		covered.To = now
	}
	if covered.From.After(covered.To) {
		covered.From = covered.To
	}
	t.covered, t.restoredTo = covered, covered.To
	t.holdUntil = now.Add(min(now.Sub(covered.To), day))
	t.checkpointDue = latest(saved.Add(l.options.CheckpointInterval), now.Add(l.spread(t)))
	l.retainWindows(t)
	l.log.V(1).Info("Restored from checkpoints", "vpa", t.name(), "containers", len(decoded), "until", covered.To)
}

// complete reports whether there is a checkpoint for each container of t's pods.
func (l *Loop) complete(t *tracked, decoded []checkpoint.Decoded) bool {
	for _, p := range t.group.pods {
		for _, name := range p.Shape.Containers {
			if !slices.ContainsFunc(decoded, func(d checkpoint.Decoded) bool { return d.Container == name }) {
				return false
			}
		}
	}
	return true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// spread is a part of the checkpoint interval that is always the same for the VPA, so that checkpoints that were
// written together once are not written together for ever.
func (l *Loop) spread(t *tracked) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.name().String()))
	return time.Duration(float64(l.options.CheckpointInterval) * float64(h.Sum32()) / (1 << 32))
}

func (t *tracked) owner() checkpoint.Owner {
	return checkpoint.Owner{Namespace: t.vpa.Namespace, VPA: t.vpa.Name, UID: t.vpa.UID, Target: t.group.target.Group + "/" + t.group.target.Kind + "/" + t.group.target.Name}
}

// pendingFor is how long checkpoints wait for history that fills what they would leave out.
const pendingFor = time.Hour

// checkpoint queues what is due, and deletes what nobody owns.
func (l *Loop) checkpoint(ctx context.Context) {
	if l.options.CheckpointInterval == 0 {
		return
	}
	now := l.now()
	for _, name := range l.all() {
		t := l.vpas[name]
		if t.queued || t.targetErr != nil || now.Before(t.checkpointDue) {
			continue
		}
		if t.incomplete() && now.Sub(t.since) < pendingFor {
			continue
		}
		if l.expire(t, now); t.unsaved() {
			t.queued = true
			l.backlog.checkpoints = append(l.backlog.checkpoints, t)
		}
	}
	if len(l.vpas) > 0 && l.options.CollectInterval > 0 && now.Sub(l.collected) >= l.options.CollectInterval {
		l.collected = now
		l.collect(ctx)
	}
}

// unsaved reports whether anything was learnt since the last checkpoint.
func (t *tracked) unsaved() bool {
	return slices.ContainsFunc(t.usage.Containers(), t.usage.Changed)
}

// save queues everything that is unsaved of the VPAs that which holds for, what was saved longest ago first: the time may
// not suffice for all.
func (l *Loop) save(which func(*tracked) bool) {
	if l.options.CheckpointInterval == 0 {
		return
	}
	for _, name := range l.all() {
		t := l.vpas[name]
		if !t.queued && t.targetErr == nil && !t.incomplete() && t.unsaved() && which(t) {
			t.queued = true
			l.backlog.checkpoints = append(l.backlog.checkpoints, t)
		}
	}
	slices.SortStableFunc(l.backlog.checkpoints, func(a, b *tracked) int { return a.covered.To.Compare(b.covered.To) })
}

func (l *Loop) saveAll() { l.save(func(*tracked) bool { return true }) }

// saveFirst has t saved before its status is written, so that a status never stands on what a kill can take.
func (l *Loop) saveFirst(t *tracked) {
	if l.options.CheckpointInterval == 0 || t.incomplete() || slices.Contains(l.backlog.urgent, t) {
		return
	}
	if t.queued {
		l.backlog.checkpoints = slices.DeleteFunc(l.backlog.checkpoints, func(o *tracked) bool { return o == t })
	}
	t.queued = true
	l.backlog.urgent = append(l.backlog.urgent, t)
}

// incomplete reports whether a checkpoint would claim to cover what history is still to bring.
func (t *tracked) incomplete() bool { return t.checkpointed && t.past.pending() }

// writeCheckpoints saves each VPA of the batch, all of its containers for the same instant. What failed is due again in
// the next round.
func (l *Loop) writeCheckpoints(ctx context.Context, batch []*tracked) {
	now := l.now()
	group := errgroup.Group{}
	group.SetLimit(l.options.Workers)
	failed, skipped := make([]error, len(batch)), make([]bool, len(batch))
	for i, t := range batch {
		t.queued = false
		if t.dropped || !l.cluster.Owns(t.vpa) {
			skipped[i] = true
			continue
		}
		objects, err := l.encode(t, now)
		if err != nil {
			failed[i] = err
			continue
		}
		group.Go(func() error {
			for _, cp := range objects {
				if err := l.cluster.WriteCheckpoint(ctx, cp); err != nil {
					failed[i] = err
					return nil
				}
				l.meter.wrote(kindCheckpoint, 1)
			}
			return nil
		})
	}
	_ = group.Wait()
	for i, t := range batch {
		switch {
		case skipped[i]:
		case failed[i] != nil:
			l.meter.writeFailed(kindCheckpoint)
			l.log.Error(failed[i], "Checkpoints not written, will try again in the next round", "vpa", t.name())
		default:
			for _, name := range t.usage.Containers() {
				t.usage.MarkSaved(name)
			}
			due := l.options.CheckpointInterval
			if t.covered.To.IsZero() {
				due += l.spread(t) // the first ones of many VPAs are often written together
			}
			t.covered.To, t.checkpointDue = now, now.Add(due)
		}
	}
}

// encode returns t's checkpoints for this instant. Containers of which nothing was learnt since the last ones come too:
// what a checkpoint covers ends where it was saved. One VPA's panic stays its own.
func (l *Loop) encode(t *tracked, now time.Time) (objects []*vpav1.VerticalPodAutoscalerCheckpoint, err error) {
	defer recovered(&err)
	names := t.usage.Containers()
	objects = make([]*vpav1.VerticalPodAutoscalerCheckpoint, 0, len(names))
	for _, name := range names {
		if saved, ok := t.usage.Save(name, now); ok {
			objects = append(objects, checkpoint.Encode(t.owner(), name, saved, checkpoint.Coverage{From: t.covered.From, To: now}, now))
		}
	}
	return objects, nil
}

// expire forgets containers that no pod has any more and that have not been seen for long, with
// their checkpoints. A workload without pods keeps what it knows.
func (l *Loop) expire(t *tracked, now time.Time) {
	if len(t.group.pods) == 0 {
		return
	}
	for _, name := range t.usage.Containers() {
		if t.recommends(name) {
			continue
		}
		a := t.usage.Aggregate(name)
		if last := latest(a.Last(), t.since); now.Sub(last) < l.options.ForgetAfter {
			continue
		}
		t.usage.Drop(name)
		l.log.Info("Container is gone, what it used is forgotten", "vpa", t.name(), "container", name)
	}
}

// collect deletes the checkpoints of VPAs that are no more, and of containers that are forgotten.
func (l *Loop) collect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var orphans []types.NamespacedName
	err := l.cluster.Checkpoints(ctx, func(cp *vpav1.VerticalPodAutoscalerCheckpoint) {
		owner := types.NamespacedName{Namespace: cp.Namespace, Name: cp.Spec.VPAObjectName}
		if l.orphaned(owner, cp.Spec.ContainerName) {
			orphans = append(orphans, types.NamespacedName{Namespace: cp.Namespace, Name: cp.Name})
		}
	})
	if err != nil {
		l.log.Error(err, "Checkpoints without a VPA stay in this round")
		return
	}
	for _, name := range orphans {
		if err := l.cluster.DeleteCheckpoint(ctx, name); err != nil {
			l.log.Error(err, "Checkpoint without a VPA not deleted", "checkpoint", name)
			continue
		}
		l.log.Info("Checkpoint without a VPA or container deleted", "checkpoint", name)
	}
}

// orphaned reports whether nobody will ever load the checkpoint.
func (l *Loop) orphaned(owner types.NamespacedName, container string) bool {
	if t := l.vpas[owner]; t != nil {
		// What could not be loaded may be another target's: the next save of the container replaces it.
		return len(t.group.pods) > 0 && !t.past.pending() && t.usage.Aggregate(container) == nil && !t.recommends(container)
	}
	return !l.cluster.Exists(owner)
}
