package scenarios

import (
	"math"
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/pkg/upstreamtest"
)

// The oracle is upstream itself: its model is fed, minute by minute, what a week of live metrics would have
// been, computed from the recording in a way of its own, and its logic recommends.

// oracle is what upstream recommends, and how many samples of CPU it was given.
type oracle struct {
	recommendation logic.RecommendedPodResources
	samples        int
}

// upstream asks the oracle about a workload of which only the past is known.
func upstream(r history.Recording, workloads ...history.Workload) oracle {
	o := oracle{}
	containers := model.ContainerNameToAggregateStateMap{}
	for _, w := range workloads {
		for key, m := range minutesOf(r, w) {
			if containers[key.container] == nil {
				containers[key.container] = model.NewAggregateContainerState()
			}
			o.samples += feed(model.NewContainerState(nil, containers[key.container]), m)
		}
	}
	o.recommendation = recommend(containers)
	return o
}

// recommend is upstream's logic with its defaults.
func recommend(containers model.ContainerNameToAggregateStateMap) logic.RecommendedPodResources {
	return logic.CreatePodResourceRecommender(upstreamtest.Defaults()).GetRecommendedPodResources(containers)
}

// feed gives one container's minutes to upstream, as live metrics would have come. It returns how many samples of CPU.
func feed(c *model.ContainerState, m *minutes) int {
	samples := 0
	for i := range m.cores {
		at := time.Unix(m.first+int64(i)*60, 0)
		if cores := m.cores[i]; !math.IsNaN(cores) {
			// metrics.k8s.io tells nanocores, which everybody rounds up to millicores.
			milli := model.ResourceAmount(math.Ceil(math.Round(cores*1e9) / 1e6))
			c.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: milli, Resource: model.ResourceCPU})
			samples++
		}
		if bytes := m.bytes[i]; !math.IsNaN(bytes) {
			c.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: model.ResourceAmount(bytes), Resource: model.ResourceMemory})
		}
	}
	return samples
}

type containerKey struct{ pod, container string }

// minutes are a container's average cores and largest bytes in each whole minute from first on, a number of
// seconds since 1970; NaN where nothing is known.
type minutes struct {
	first        int64
	cores, bytes []float64
}

// minutesOf computes what each minute's average CPU and largest memory were. CPU: the counter is drawn as a line
// through its scrapes, broken where it fell, and a minute's average is how much the line rises in it, over the
// time that it covers of it; a third of a minute is the least. Two jobs' series of one container: the larger.
func minutesOf(r history.Recording, w history.Workload) map[containerKey]*minutes {
	span := r.Span
	if span == 0 {
		span = history.DefaultSpan
	}
	all := map[containerKey]*minutes{}
	lines := map[containerKey]map[string]*line{}
	for s := range r.Samples(w) {
		key := containerKey{s.Pod, s.Container}
		m := all[key]
		if m == nil {
			first := r.End.Add(-span).Truncate(time.Minute).Unix()
			n := int((r.End.Unix()-first)/60) + 1
			m = &minutes{first: first, cores: unknown(n), bytes: unknown(n)}
			all[key], lines[key] = m, map[string]*line{}
		}
		raise(m.bytes, int((s.Time.Unix()-m.first)/60), s.Memory)
		if lines[key][s.Job] == nil {
			lines[key][s.Job] = &line{rose: make([]float64, len(m.cores)), covered: make([]float64, len(m.cores))}
		}
		lines[key][s.Job].to(float64(s.Time.UnixMilli())/1000-float64(m.first), s.CPU)
	}
	for key, jobs := range lines {
		for _, l := range jobs {
			for i := range l.rose {
				if l.covered[i] >= 20 {
					raise(all[key].cores, i, l.rose[i]/l.covered[i])
				}
			}
		}
	}
	return all
}

func unknown(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = math.NaN()
	}
	return values
}

func raise(values []float64, i int, v float64) {
	if math.IsNaN(values[i]) || v > values[i] {
		values[i] = v
	}
}

// line is one counter drawn through its scrapes: how much it rises in each minute, and how many seconds of the
// minute it covers.
type line struct {
	rose, covered []float64
	t, v          float64
	begun         bool
}

func (l *line) to(t, v float64) {
	if l.begun && v >= l.v && t-l.t <= 300 {
		for i := int(l.t / 60); i <= int(t/60) && i < len(l.rose); i++ {
			from, until := max(l.t, float64(i)*60), min(t, float64(i+1)*60)
			l.rose[i] += (v - l.v) / (t - l.t) * (until - from)
			l.covered[i] += until - from
		}
	}
	l.t, l.v, l.begun = t, v, true
}
