// Package history writes the past that a recommender finds in Prometheus: TSDB blocks with the series
// that a kubelet's cAdvisor would have left, for workloads whose usage is a function of time.
//
//	r := history.Recording{End: time.Now(), Workloads: history.Store()}
//	stats, err := r.Write(ctx, dir) // then: prometheus --storage.tsdb.path=dir
//	for s := range r.Samples(r.Workloads[0]) { ... } // the same scrapes, for a test to compute from
//
// Everything is a function of the time before End, of the seed and of names, never of the clock: two
// recordings with different Ends hold the same samples, shifted, so a demo gives the same answer
// whenever it runs.
package history

import (
	"errors"
	"fmt"
	"iter"
	"time"
)

// Defaults of a Recording's zero fields.
const (
	// DefaultSpan is how far back the recommender looks.
	DefaultSpan = 8 * 24 * time.Hour
	// DefaultInterval is the scrape interval that kube-prometheus gives kubelets.
	DefaultInterval = 30 * time.Second
)

// minInterval keeps scrapes apart: jitter and secondJobLag together must stay below one interval.
const minInterval = 5 * time.Second

// Recording is what one Prometheus scraped of some workloads until End.
type Recording struct {
	// End is exclusive: every sample is older. The remaining times in this package are relative to it.
	End time.Time
	// Span is how long before End the first scrape was; 0 is DefaultSpan.
	Span time.Duration
	// Interval between two scrapes of a pod, whole milliseconds, at least 5 s; 0 is DefaultInterval.
	// Usage itself does not depend on it.
	Interval time.Duration
	// Seed changes pod names, noise and bursts. Any value will do.
	Seed uint64
	// KubeStateMetrics adds what it tells of pods: kube_pod_owner, kube_replicaset_owner, kube_job_owner, and
	// kube_pod_labels, where the label app is the workload's name.
	KubeStateMetrics bool
	// Workloads must differ in (Env, Namespace, Name).
	Workloads []Workload
	// Progress, if set, is called after each UTC day that Write has written.
	Progress func(day, days int)
}

// Sample is what one scrape read of one container.
type Sample struct {
	Pod, Container string
	// Job is the scrape job. It matters only for workloads that two jobs scrape.
	Job  string
	Time time.Time
	// CPU is the counter: core seconds since the container started.
	CPU float64
	// Memory is the working set, in bytes.
	Memory float64
}

// Samples yields every scrape of w's containers, exactly as Write records them: pod after pod, and
// within a pod in order of time. Pause containers and pod sums are left out, as readers must do.
func (r Recording) Samples(w Workload) iter.Seq[Sample] {
	r = r.withDefaults()
	return func(yield func(Sample) bool) {
		for _, l := range r.lives(&w) {
			t := target{recording: &r, workload: &w, life: l}
			more := t.visit(0, func(job int, s reading) bool {
				for i, c := range w.Containers {
					if !yield(Sample{l.pod, c.Name, jobs[job].name, r.End.Add(s.at), s.cpu[i], s.memory[i]}) {
						return false
					}
				}
				return true
			})
			if !more {
				return
			}
		}
	}
}

// Validate names the first thing that cannot be recorded.
func (r Recording) Validate() error {
	r = r.withDefaults()
	if r.End.IsZero() {
		return errors.New("history: End is not set: use time.Now()")
	}
	if r.Span < r.Interval {
		return fmt.Errorf("history: Span %s: must be at least one Interval (%s)", r.Span, r.Interval)
	}
	if r.Interval < minInterval || r.Interval%time.Millisecond != 0 {
		return fmt.Errorf("history: Interval %s: must be whole milliseconds, %s or more", r.Interval, minInterval)
	}
	seen := map[[3]string]bool{}
	for _, w := range r.Workloads {
		if err := w.validate(); err != nil {
			return fmt.Errorf("history: workload %s %s/%s: %w", w.Env, w.Namespace, w.Name, err)
		}
		key := [3]string{w.Env, w.Namespace, w.Name}
		if seen[key] {
			return fmt.Errorf("history: workload %s %s/%s is given twice: rename or drop one", w.Env, w.Namespace, w.Name)
		}
		seen[key] = true
	}
	return nil
}

func (r Recording) withDefaults() Recording {
	if r.Span == 0 {
		r.Span = DefaultSpan
	}
	if r.Interval == 0 {
		r.Interval = DefaultInterval
	}
	// Prometheus keeps milliseconds; without this a sample could round to End itself.
	r.End = r.End.Truncate(time.Millisecond)
	return r
}
