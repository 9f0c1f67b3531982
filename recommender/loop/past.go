package loop

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// past is how far the reading of history has come.
type past struct {
	state    pastState
	reason   string // why it fails
	progress history.Progress
	// resumed is set when checkpoints cover all of it but the time that this process did not see.
	resumed bool
}

type pastState int

const (
	none    pastState = iota // there is no server to read from
	reading                  // not all was answered yet
	failing                  // not all was answered yet, and the last attempt failed
	loaded                   // answered, if only with nothing
)

func (p past) pending() bool { return p.state == reading || p.state == failing }

// known reports whether there is history to stand on.
func (p past) known() bool { return p.state == loaded && (!p.progress.Empty() || p.resumed) }

// wantHistory asks for what the VPA's usage does not cover of the past.
func (l *Loop) wantHistory(t *tracked) {
	if l.history == nil || t.targetErr != nil {
		return
	}
	l.history.Forget(t.name())
	w := l.window(t, t.since.Add(-l.options.HistoryLength), t.since)
	if t.checkpointed {
		w.Known = history.Interval{From: t.covered.From, To: t.covered.To}
		t.past.resumed = !t.covered.From.After(w.From.Add(day / 24))
	}
	t.past.state = reading
	l.history.Want(t.name(), w)
}

// window is what is asked of history for the VPA.
func (l *Loop) window(t *tracked, from, to time.Time) history.Window {
	vpa := t.vpa
	w := history.Window{
		Workload: workloadOf(t.group.target), From: from, To: to, MemoryInterval: l.rules(policy.ForContainer(vpa.Spec.ResourcePolicy, "")).MemoryInterval,
		Rules: func(name string) aggregate.Rules { return l.rules(policy.ForContainer(vpa.Spec.ResourcePolicy, name)) },
	}
	if vpa.Spec.ResourcePolicy != nil {
		for _, c := range vpa.Spec.ResourcePolicy.ContainerPolicies {
			w.MemoryInterval = min(w.MemoryInterval, w.Rules(c.ContainerName).MemoryInterval)
		}
	}
	for _, p := range t.group.pods {
		w.Containers += len(p.Shape.Containers)
	}
	return w
}

func workloadOf(c target.Controller) history.Workload {
	return history.Workload{Namespace: c.Namespace, Kind: c.Kind, Name: c.Name}
}

// learn takes an answer of history and returns who is concerned.
func (l *Loop) learn(a history.Answer) []types.NamespacedName {
	t := l.vpas[a.VPA]
	if t == nil || a.Window.Workload != workloadOf(t.group.target) {
		return nil // deleted or retargeted meanwhile
	}
	if a.Recent != nil || a.Window.To.After(t.since) {
		return l.recall(t, a)
	}
	if !a.Window.To.Equal(t.since) || !t.past.pending() {
		return nil
	}
	t.past.progress = a.Progress
	switch {
	case a.Err != nil:
		t.past.state, t.past.reason = failing, a.Err.Error()
	case !a.Progress.Complete():
		t.past.state, t.past.reason, t.partial = reading, "", a.Usage
	default:
		l.learnt(t, a)
	}
	return l.withHeirs([]types.NamespacedName{a.VPA})
}

// learnt takes all of a VPA's history.
func (l *Loop) learnt(t *tracked, a history.Answer) {
	t.usage.AddHistory(a.Usage)
	t.partial = nil
	l.retainWindows(t)
	t.past.state, t.past.reason = loaded, ""
	if from := a.Window.From; from.Before(t.covered.From) {
		t.covered.From = from
	}
	t.checkpointDue = time.Time{}
	l.log.Info("History loaded", "vpa", a.VPA, "samples", a.Progress.Samples)
}

// replace asks history for what live metrics do not bring: where the newest of their samples is old, every VPA's pods are
// asked for, again and again until it is newer.
func (l *Loop) replace(newest, now time.Time) {
	if newest.After(l.heard) {
		l.heard = newest
	}
	missing := now.Sub(latest(l.heard, time.Unix(l.started.Load(), 0))) > l.staleAfter() && l.anyPods()
	if missing != l.without {
		l.without, l.replaced = missing, time.Time{}
		switch {
		case !missing:
			l.log.Info("Live metrics are there again")
		case l.history == nil:
			l.log.Info("Live metrics are missing or stale: is metrics-server scraping?", "newest", l.heard)
		default:
			l.log.Info("Live metrics are missing or stale, recent samples come from Prometheus: is metrics-server scraping?", "newest", l.heard)
		}
	}
	if !missing || l.history == nil || now.Sub(l.replaced) < l.staleAfter() {
		return
	}
	to := now.Add(-time.Minute).Truncate(time.Minute)
	for _, name := range l.all() {
		t := l.vpas[name]
		// The minute that live metrics ended in is theirs.
		from := latest(latest(t.since, t.filled), l.heard.Add(time.Minute-1).Truncate(time.Minute))
		from = latest(from, to.Add(-mostRecent))
		if t.targetErr == nil && len(t.group.pods) > 0 && from.Before(to) {
			l.history.WantRecent(name, l.window(t, from, to))
			l.replaced = now
		}
	}
}

// mostRecent is the longest time of which recent samples are asked for. They are held one by one,
// and where Prometheus was away as long as live metrics were, they would be very many.
const mostRecent = time.Hour

// staleAfter is the age from which the newest live sample tells of trouble: five rounds, and more than the minute that
// metrics-server may be apart.
func (l *Loop) staleAfter() time.Duration { return max(5*l.options.Interval, 90*time.Second) }

// anyPods reports whether any VPA has pods, of which live metrics could tell.
func (l *Loop) anyPods() bool {
	for _, t := range l.vpas {
		if len(t.group.pods) > 0 {
			return true
		}
	}
	return false
}

// recall takes samples that live metrics did not bring. They are no news in themselves: what they change is written in the next
// round.
func (l *Loop) recall(t *tracked, a history.Answer) []types.NamespacedName {
	if a.Err != nil {
		l.log.V(1).Info("Recent samples cannot be read from Prometheus either", "vpa", a.VPA, "error", a.Err.Error())
		return nil
	}
	t.filled = latest(t.filled, a.Window.To)
	counted := 0
	for _, s := range a.Recent {
		at := l.pods[types.NamespacedName{Namespace: s.Container.Namespace, Name: s.Container.Pod}]
		if at.group != t.group || s.Time.Before(t.since) {
			continue // gone meanwhile
		}
		s.Container.Pod = at.pod.Name.Name
		if t.usage.Add(s) {
			counted++
		}
	}
	l.meter.replaced.Add(float64(counted))
	return nil
}

const (
	// poor is the share of a workload's minutes, in percent, below which it is told how much of them Prometheus has.
	poor = 80
	// coarse is the time between two averages of CPU above which it is told.
	coarse = time.Minute
)

func (l *Loop) historyCondition(list *conditionList, t *tracked, p past) {
	length := inDays(l.options.HistoryLength)
	missing := ""
	if p.progress.Done > 0 && p.progress.Missing != "" {
		missing = " Still missing: " + p.progress.Missing + "."
	}
	switch {
	case p.state == none:
	case p.state == failing:
		list.add(vpav1.FetchingHistory, true, reasonRetrying, fmt.Sprintf("Reading %s of history of %s from Prometheus failed and is tried again: %s.%s", length, t.group.target, p.reason, missing))
	case p.state == reading && !p.resumed:
		list.add(vpav1.FetchingHistory, true, "Reading", fmt.Sprintf("Reading %s of history of %s from Prometheus.%s", length, t.group.target, missing))
	case p.progress.Empty() && !p.resumed:
		list.add(vpav1.FetchingHistory, false, "NoHistory", fmt.Sprintf("Prometheus knows nothing of %s in the last %s.", t.group.target, length))
	default:
		list.add(vpav1.FetchingHistory, false, reasonLoaded, fmt.Sprintf("%s of history were read from Prometheus.%s", length, p.quality()))
	}
}

// quality says what is to be known of history that was read; empty if nothing is.
func (p past) quality() string {
	said := ""
	if p.progress.Resolution > coarse {
		said += fmt.Sprintf(" CPU is known once in %s only, because the server does not stream remote reads: rare bursts may be missed.", model.Duration(p.progress.Resolution))
	}
	if !p.progress.Empty() && p.progress.Covered < poor && !p.resumed {
		said += fmt.Sprintf(" There are samples for %d%% of the minutes since %s.", p.progress.Covered, p.progress.First.UTC().Format(time.DateOnly))
	}
	return said
}
