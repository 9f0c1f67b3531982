package proof

import (
	"math"
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/e2e/history"
)

// watch is what a recommender would know that had watched a workload from the first minute to the last: upstream's own
// model and logic, fed with what metrics.k8s.io would have told each minute. It comes from the workload's usage, not from
// what Prometheus scraped of it: the metrics server comes by at moments of its own.
func watch(r history.Recording, w history.Workload) map[string]estimates {
	// A kubelet is read each 15 s; what lies between two of the server's visits is its own affair.
	r.Interval = 15 * time.Second
	w.Scrape = history.Scrape{}
	containers := model.ContainerNameToAggregateStateMap{}
	seen := map[[2]string]*container{}
	for s := range r.Samples(w) {
		key := [2]string{s.Pod, s.Container}
		if seen[key] == nil {
			if containers[s.Container] == nil {
				containers[s.Container] = model.NewAggregateContainerState()
			}
			seen[key] = &container{state: model.NewContainerState(nil, containers[s.Container])}
		}
		seen[key].visit(s)
	}
	return upstreamEstimates(containers)
}

// container is one container of one pod under the eyes of the metrics server.
type container struct {
	state *model.ContainerState
	last  history.Sample
}

// perVisit is how often the metrics server comes by. It tells the average of CPU since its last visit, and the memory of now.
const perVisit = time.Minute

// slack is by how much of a scrape interval visits may come early: the kubelet's own moments jitter.
const slack = 5 * time.Second

// visit takes what a kubelet knows at one moment.
func (c *container) visit(s history.Sample) {
	if c.last.Time.IsZero() {
		c.last = s
		return
	}
	took := s.Time.Sub(c.last.Time)
	switch {
	case s.CPU < c.last.CPU: // it was restarted: the next visit begins anew
		c.last = s
	case took >= perVisit-slack:
		c.tell(s, (s.CPU-c.last.CPU)/took.Seconds())
		c.last = s
	}
}

func (c *container) tell(s history.Sample, cores float64) {
	// Nanocores, which everybody rounds up to millicores.
	milli := model.ResourceAmount(math.Ceil(math.Round(cores*1e9) / 1e6))
	c.state.AddSample(&model.ContainerUsageSample{MeasureStart: s.Time, Usage: milli, Resource: model.ResourceCPU})
	c.state.AddSample(&model.ContainerUsageSample{MeasureStart: s.Time, Usage: model.ResourceAmount(s.Memory), Resource: model.ResourceMemory})
}
