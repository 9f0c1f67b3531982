package loop

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// backlog is what waits to be written: statuses first, each VPA's latest only, then checkpoints. The loop writes it a
// batch at a time, between everything else, so that a slow API server holds up neither live metrics nor new VPAs.
type backlog struct {
	// statuses are those with a tracked.pending; some of these may have been forgotten since.
	statuses    []*tracked
	checkpoints []*tracked
	// urgent are those whose checkpoints are to be written before their statuses.
	urgent []*tracked
}

// statusJob is what was decided and is to be written. It becomes words when its turn comes, so that a decision that
// is replaced while it waits costs nothing more.
type statusJob struct {
	decided  decided
	outcomes []outcome
}

func (b *backlog) status(t *tracked, job statusJob) {
	if !t.listed {
		t.listed = true
		b.statuses = append(b.statuses, t)
	}
	t.pending = &job
}

// forget drops a status that is no longer needed.
func (t *tracked) forget() { t.pending = nil }

func (b *backlog) empty() bool {
	return len(b.urgent) == 0 && len(b.statuses) == 0 && len(b.checkpoints) == 0
}

// ready is a channel that can be read from when there is something to write.
func (l *Loop) ready() <-chan struct{} {
	if l.backlog.empty() {
		return nil
	}
	return always
}

// always is a closed channel.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// batchPerWorker is how many writes each worker does before the loop looks at everything else again.
const batchPerWorker = 4

// write writes one batch.
func (l *Loop) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.options.WriteTimeout)
	defer cancel()
	size := l.options.Workers * batchPerWorker
	switch {
	case len(l.backlog.urgent) > 0:
		l.writeCheckpoints(ctx, take(&l.backlog.urgent, size))
	case len(l.backlog.statuses) > 0:
		l.writeStatuses(ctx, take(&l.backlog.statuses, size))
	default:
		l.writeCheckpoints(ctx, take(&l.backlog.checkpoints, size))
	}
}

// take cuts up to n off the front of list.
func take(list *[]*tracked, n int) []*tracked {
	n = min(n, len(*list))
	front := (*list)[:n:n]
	*list = (*list)[n:]
	if len(*list) == 0 {
		*list = nil
	}
	return front
}

// writeStatuses writes the status of each, several at once, and takes down how it went. What failed is decided and
// tried again in the next round.
func (l *Loop) writeStatuses(ctx context.Context, batch []*tracked) {
	jobs := make([]*statusJob, len(batch))
	written := make([]*vpav1.VerticalPodAutoscaler, len(batch))
	failed := make([]error, len(batch))
	group := errgroup.Group{}
	group.SetLimit(l.options.Workers)
	for i, t := range batch {
		job := t.pending
		t.pending, t.listed = nil, false
		if job == nil || t.dropped || !l.cluster.Owns(t.vpa) {
			continue
		}
		status, err := l.renderSafely(t, job)
		if err != nil {
			failed[i] = err
			continue
		}
		if sameStatus(&status, &t.vpa.Status) {
			l.settled(t, job)
			continue
		}
		jobs[i] = job
		vpa := t.vpa
		group.Go(func() error {
			written[i], failed[i] = l.cluster.WriteStatus(ctx, vpa, status)
			return nil
		})
	}
	_ = group.Wait()
	for i, t := range batch {
		switch {
		case failed[i] != nil:
			l.meter.writeFailed(kindStatus)
			l.log.Error(failed[i], "Status not written, will try again in the next round", "vpa", t.name())
		case written[i] != nil:
			l.published(t, written[i], jobs[i])
		}
	}
}

// settled takes down that the job is what the VPA's status says.
func (l *Loop) settled(t *tracked, job *statusJob) {
	t.decided, t.published, t.written = &job.decided, job.outcomes, &t.vpa.Status
}

// published takes down that the VPA's status was written, and tells of what changed by it.
func (l *Loop) published(t *tracked, vpa *vpav1.VerticalPodAutoscaler, job *statusJob) {
	before := t.vpa
	t.vpa = vpa
	l.settled(t, job)
	if t.past.pending() {
		// It stands, and more of history does not lower it before all of it is there.
		t.restored, t.confident = true, confident(vpa)
		t.ours = t.ours || (t.partial != nil && len(job.outcomes) > 0 && !held(job.outcomes))
	}
	for _, e := range eventsOf(before.Status.Conditions, vpa.Status.Conditions) {
		l.cluster.Event(vpa, e.kind, e.reason, e.message)
	}
	l.meter.wrote(kindStatus, 1)
	if before.Status.Recommendation == nil && vpa.Status.Recommendation != nil {
		l.meter.latency.Observe(l.now().Sub(vpa.CreationTimestamp.Time).Seconds())
	}
	l.log.V(1).Info("Published", "vpa", t.name())
}

// stopTimeout bounds what is done after the signal to stop: less than Kubernetes' grace of 30 s.
const stopTimeout = 20 * time.Second

// stop saves what is unsaved.
func (l *Loop) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	l.backlog.statuses = nil // the next process decides anew, from what is saved now
	l.saveAll()
	for !l.backlog.empty() && ctx.Err() == nil {
		l.write(ctx)
	}
	if !l.backlog.empty() {
		l.log.Error(errors.New("time is up"), "Not all checkpoints were written", "left", len(l.backlog.checkpoints))
	}
	return nil
}
