package history

import "time"

// jobs are the scrape jobs: the kubelet's, and the older one that reads the same pods again under Scrape.Twice.
var jobs = [...]struct{ name, service, endpoint string }{
	{"kubelet", "prometheus-kube-prometheus-kubelet", "https-metrics"},
	{"kubernetes-cadvisor", "kubernetes-cadvisor", "https"},
}

// secondJobLag is how much later the second job comes by: less than minInterval, more than any rounding.
const secondJobLag = 1500 * time.Millisecond

// jitterShare is the part of an interval by which a scrape may be late, 2 s of 30: cAdvisor stamps samples
// with the time of its own housekeeping, not with that of the scrape.
const jitterShare = 15

// nodes is the number of kubelets in each environment.
const nodes = 3

// target is one life of one pod as Prometheus sees it. It remembers where its counters stand, so that it can
// be visited a day at a time.
type target struct {
	recording *Recording
	workload  *Workload
	life

	offset time.Duration // of the scrapes within an interval: each kubelet has its own
	seed   uint64        // of this pod
	first  int64         // the first scrape is this many intervals after End, that is, negative
	done   int64         // scrapes visited, by all jobs
	cpu    []meter       // by container; nil before the first visit
	memory []uint64      // seeds, by container
	base   []float64     // what CounterReset takes from the counters, by container; nil before
}

// reading is one scrape of a pod, in the order of Workload.Containers. The slices are valid during the call only.
type reading struct {
	at     time.Duration
	cpu    []float64 // core seconds since the containers started
	memory []float64 // bytes
}

// start sets the counters to 0 at the beginning of this life, which may be before the span.
func (t *target) start() {
	r, w := t.recording, t.workload
	t.seed = seedOf(r.Seed, w.Env, w.Namespace, w.Name, t.pod)
	offset := unit(seedOf(r.Seed, "kubelet", w.Env, t.node()), 0) * float64(r.Interval)
	t.offset = time.Duration(offset).Truncate(time.Millisecond)
	t.first = -floorDiv(t.offset-max(t.from, -r.Span), r.Interval) // rounded up: not before the life began
	for _, c := range w.Containers {
		t.cpu = append(t.cpu, startMeter(c.CPU, seedOf(t.seed, c.Name, "cpu"), t.from))
		t.memory = append(t.memory, seedOf(t.seed, c.Name, "memory"))
	}
}

// visit yields all scrapes since the last visit that are before until and before the life's end, by each job.
// It returns false when yield did.
func (t *target) visit(until time.Duration, yield func(job int, s reading) bool) bool {
	if t.cpu == nil {
		t.start()
	}
	until = min(until, t.to)
	s := reading{cpu: make([]float64, len(t.cpu)), memory: make([]float64, len(t.cpu))}
	for {
		job, at := t.upcoming()
		if at >= until {
			return true
		}
		t.reset(at)
		t.read(&s, at)
		t.done++
		if t.missed(at) {
			continue
		}
		t.spoil(&s, t.done)
		if !yield(job, s) {
			return false
		}
	}
}

// upcoming says who scrapes next, and when.
func (t *target) upcoming() (job int, at time.Duration) {
	tick := t.first + t.done
	if t.workload.Scrape.Twice {
		tick, job = t.first+t.done/2, int(t.done%2)
	}
	interval := t.recording.Interval
	at = time.Duration(tick)*interval + t.offset + time.Duration(job)*secondJobLag
	jitter := uint64(interval/jitterShare/time.Millisecond) + 1
	return job, at + time.Duration(mix(t.seed, uint64(tick))%jitter)*time.Millisecond
}

// Counters are kept to a microsecond, memory to a page.
const (
	counterStep = 1.0 / (1 << 20) // seconds
	memoryStep  = 4096            // bytes
)

// read fills in what the containers stand at.
func (t *target) read(s *reading, at time.Duration) {
	s.at = at
	for i, c := range t.workload.Containers {
		s.cpu[i] = coarse(t.cpu[i].advance(at), counterStep)
		s.memory[i] = coarse(max(0, c.Memory(t.memory[i], at)), memoryStep)
	}
}
