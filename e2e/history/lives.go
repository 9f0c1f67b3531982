package history

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"
)

// life is one run of one pod's containers: they started together and their counters began at 0.
type life struct {
	pod string
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
			g.pod = r.podName(w, g.generation, replica)
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
		if w.Age > 0 {
			g.from = max(from, -w.Age)
		}
		if g.from < g.to {
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

// podName gives names as Kubernetes does: a Deployment's ReplicaSet is called after the 32-bit hash of its pod
// template, in decimal, "safe-encoded"; its pods get 5 random characters more.
func (r *Recording) podName(w *Workload, generation int64, replica int) string {
	if w.Kind == StatefulSet {
		return w.Name + "-" + strconv.Itoa(replica)
	}
	seed := seedOf(r.Seed, "template", w.Namespace, w.Name)
	template := uint32(mix(seed, uint64(generation)))
	base := w.Name + "-" + rand.SafeEncodeString(strconv.FormatUint(uint64(template), 10)) + "-"
	base = base[:min(len(base), maxGeneratedBase)]

	seed = seedOf(mix(seed, uint64(generation)), "pod", strconv.Itoa(replica))
	var suffix [5]byte
	for i := range suffix {
		suffix[i] = suffixAlphabet[mix(seed, uint64(i))%uint64(len(suffixAlphabet))]
	}
	return base + string(suffix[:])
}
