package history

import (
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// recordState writes what kube-state-metrics says of t between from and to: who controls the pod, who controls that
// controller, and the pod's label app. All values are 1. A ReplicaSet or a Job goes with its pods.
func (t *target) recordState(b *block, from, to time.Duration) error {
	from, to = max(from, t.from), min(to, t.to)
	interval, end := t.recording.Interval, t.recording.End.UnixMilli()
	offset := time.Duration(unit(seedOf(t.recording.Seed, "kube-state-metrics", t.workload.Env), 0) * float64(interval)).Truncate(time.Millisecond)
	tick := -floorDiv(offset-from, interval) // rounded up, as the first scrape of a pod is
	if time.Duration(tick)*interval+offset >= to {
		return nil
	}
	var all []*series
	for _, l := range t.state() {
		all = append(all, b.series(l))
	}
	for ; ; tick++ {
		at := time.Duration(tick)*interval + offset
		if at >= to {
			return nil
		}
		for _, s := range all {
			if err := s.add(end+at.Milliseconds(), 1); err != nil {
				return err
			}
		}
	}
}

// state is the series that tell of t. Its first replica tells of the controller too.
func (t *target) state() []labels.Labels {
	w := t.workload
	kind, name := t.recording.controller(w, t.generation)
	all := []labels.Labels{
		t.stateLabels("kube_pod_owner", "pod", t.pod, "uid", t.uid(), "owner_kind", kind, "owner_name", name, "owner_is_controller", "true"),
		t.stateLabels("kube_pod_labels", "pod", t.pod, "uid", t.uid(), "label_app", w.Name),
	}
	if t.replica > 0 {
		return all
	}
	switch {
	case kind == ReplicaSet && w.Kind == Deployment:
		all = append(all, t.stateLabels("kube_replicaset_owner", "replicaset", name, "owner_kind", w.Kind, "owner_name", w.Name, "owner_is_controller", "true"))
	case kind == ReplicaSet: // nobody's; Prometheus drops empty labels
		all = append(all, t.stateLabels("kube_replicaset_owner", "replicaset", name))
	case kind == Job && w.Kind == CronJob:
		all = append(all, t.stateLabels("kube_job_owner", "job_name", name, "owner_kind", w.Kind, "owner_name", w.Name, "owner_is_controller", "true"))
	case kind == Job:
		all = append(all, t.stateLabels("kube_job_owner", "job_name", name))
	}
	return all
}

// stateLabels are those of one series of kube-state-metrics, as kube-prometheus scrapes it.
func (t *target) stateLabels(metric string, namesAndValues ...string) labels.Labels {
	env := t.workload.Env
	address := mix(seedOf(t.recording.Seed, "address", env, "kube-state-metrics"), 0) % 256
	b := labels.NewBuilder(labels.EmptyLabels()).
		Set("__name__", metric).
		Set("env", env).
		Set("namespace", t.workload.Namespace).
		Set("instance", fmt.Sprintf("10.1.0.%d:8080", address)).
		Set("job", "kube-state-metrics").
		Set("service", "prometheus-kube-state-metrics").
		Set("endpoint", "http")
	for i := 0; i < len(namesAndValues); i += 2 {
		b.Set(namesAndValues[i], namesAndValues[i+1])
	}
	return b.Labels()
}
