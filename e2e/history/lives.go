package history

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"
)

// life is one run of one pod's containers: they started together and their counters began at 0.
type life struct {
	pod string
	// replica counts the pods of a generation.
	replica int
	// generation of the pod template. A StatefulSet's pod of another generation has the same name.
	generation int64
	// run counts the restarts in place before this life.
	run int
	// from and to bound it, relative to End; to is exclusive and never after End. from may be before the span.
	from, to time.Duration
}

// lives lists all that a workload's pods went through within the span. Lives of one pod are in order of time.
func (r *Recording) lives(w *Workload) []life {
	var out []life
	for _, g := range r.generations(w) {
		for replica := range w.Replicas {
			g.pod, g.replica = r.podName(w, g.generation, replica), replica
			out = append(out, r.runs(w, g)...)
		}
	}
	return out
}

// generations lists the times between two rollouts, those that touch the span. Their moment within Rollout
// comes from the workload's name without its environment: the same release goes everywhere, and a pod of dev
// is called exactly what a pod of prod is called.
func (r *Recording) generations(w *Workload) []life {
	if w.Rollout == 0 {
		from := -r.Span
		if w.Age > 0 {
			from = -w.Age
		}
		return []life{{from: from}}
	}
	seed := seedOf(r.Seed, "rollout", w.Namespace, w.Name)
	phase := time.Duration(unit(seed, 0) * float64(w.Rollout)).Truncate(time.Millisecond)
	var out []life
	for n := floorDiv(-r.Span-phase, w.Rollout); ; n++ {
		from := phase + time.Duration(n)*w.Rollout
		if from >= 0 {
			return out
		}
		g := life{generation: n, from: from, to: min(from+w.Rollout, 0)}
		if w.Kind == CronJob && w.Lasting > 0 {
			g.to = min(from+w.Lasting, 0)
		}
		if w.Age > 0 {
			g.from = max(from, -w.Age)
		}
		if g.from < g.to && g.to > -r.Span {
			out = append(out, g)
		}
	}
}

// runs cuts a pod's time at its restarts and keeps what touches the span.
func (r *Recording) runs(w *Workload, pod life) []life {
	if w.Restarts == 0 {
		return []life{pod}
	}
	var out []life
	for run := 0; ; run++ {
		l := pod
		l.run, l.from = run, pod.from+time.Duration(run)*w.Restarts
		l.to = min(l.from+w.Restarts, pod.to)
		if l.from >= pod.to {
			return out
		}
		if l.to > -r.Span {
			out = append(out, l)
		}
	}
}

// suffixAlphabet is what k8s.io/apimachinery/pkg/util/rand.String draws from; that one cannot be seeded per name.
const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789"

// maxGeneratedBase is how much of a generateName the API server keeps before it appends 5 characters.
const maxGeneratedBase = 63 - 5

// firstDue is a minute since 1970, of 2026. A CronJob's Jobs are called by the minute they are due; here it is one
// that does not depend on End, as nothing does.
const firstDue = 29_500_000

// controller is who made the pods of a generation: a ReplicaSet or a Job of the workload's, or itself. Names are as
// Kubernetes makes them: a Deployment's ReplicaSet is called after the 32-bit hash of its pod template, in decimal,
// "safe-encoded".
func (r *Recording) controller(w *Workload, generation int64) (kind, name string) {
	switch w.Kind {
	case Deployment:
		template := uint32(mix(r.templateSeed(w), uint64(generation)))
		return "ReplicaSet", w.Name + "-" + rand.SafeEncodeString(strconv.FormatUint(uint64(template), 10))
	case CronJob:
		due := time.Duration(generation) * w.Rollout / time.Minute
		return Job, w.Name + "-" + strconv.FormatInt(firstDue+int64(due), 10)
	}
	return w.Kind, w.Name
}

func (r *Recording) templateSeed(w *Workload) uint64 {
	return seedOf(r.Seed, "template", w.Namespace, w.Name)
}

// podName gives names as Kubernetes does: StatefulSets count, all others have 5 random characters appended.
func (r *Recording) podName(w *Workload, generation int64, replica int) string {
	_, base := r.controller(w, generation)
	if w.Kind == StatefulSet {
		return base + "-" + strconv.Itoa(replica)
	}
	base += "-"
	base = base[:min(len(base), maxGeneratedBase)]

	seed := seedOf(mix(r.templateSeed(w), uint64(generation)), "pod", strconv.Itoa(replica))
	var suffix [5]byte
	for i := range suffix {
		suffix[i] = suffixAlphabet[mix(seed, uint64(i))%uint64(len(suffixAlphabet))]
	}
	return base + string(suffix[:])
}
