// Package upstreamtest is upstream's recommender, for tests to compare with. No program imports it.
package upstreamtest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Defaults are upstream's default flags of the estimate.
func Defaults() logic.RecommendationConfig {
	return logic.RecommendationConfig{
		SafetyMarginFraction: 0.15, PodMinCPUMillicores: 25, PodMinMemoryMb: 250,
		TargetCPUPercentile: 0.9, LowerBoundCPUPercentile: 0.5, UpperBoundCPUPercentile: 0.95, ConfidenceIntervalCPU: 24 * time.Hour,
		TargetMemoryPercentile: 0.9, LowerBoundMemoryPercentile: 0.5, UpperBoundMemoryPercentile: 0.95, ConfidenceIntervalMemory: 24 * time.Hour,
	}
}

// Workload is what our aggregate.Workload is, made of upstream's parts.
type Workload struct {
	aggregates map[string]*model.AggregateContainerState
	states     map[usage.Container]*model.ContainerState
}

// NewWorkload returns one that has seen nothing.
func NewWorkload() *Workload {
	return &Workload{map[string]*model.AggregateContainerState{}, map[usage.Container]*model.ContainerState{}}
}

// Aggregate returns that of the containers of this name.
func (w *Workload) Aggregate(name string) *model.AggregateContainerState {
	if w.aggregates[name] == nil {
		w.aggregates[name] = model.NewAggregateContainerState()
	}
	return w.aggregates[name]
}

func (w *Workload) state(c usage.Container) *model.ContainerState {
	if w.states[c] == nil {
		w.states[c] = model.NewContainerState(nil, w.Aggregate(c.Name))
	}
	return w.states[c]
}

// Add reports whether the sample counted.
func (w *Workload) Add(s usage.Sample) bool {
	return w.state(s.Container).AddSample(&model.ContainerUsageSample{
		MeasureStart: s.Time, Usage: model.ResourceAmount(s.Amount), Resource: model.ResourceName(s.Resource.String()),
	})
}

// AddOOM reports whether it counted that a container was killed for memory, of which it had requested so many bytes.
func (w *Workload) AddOOM(c usage.Container, requested usage.Amount, at time.Time) bool {
	return w.state(c).RecordOOM(at, model.ResourceAmount(requested)) == nil
}

// SetRules sets those of the containers of this name: the length of a memory interval, and by how much a kill raises usage,
// as a factor and in bytes.
func (w *Workload) SetRules(name string, interval time.Duration, ratio float64, bump usage.Amount) {
	a := w.Aggregate(name)
	a.MemoryAggregationIntervalDuration, a.OOMBumpUpRatio, a.OOMMinBumpUp = interval, ratio, float64(bump)
}

// Forget takes away the running intervals of a pod, which is gone.
func (w *Workload) Forget(pod string) {
	maps.DeleteFunc(w.states, func(c usage.Container, _ *model.ContainerState) bool { return c.Pod == pod })
}

// Save returns what upstream's checkpoint writer stores of the containers of this name. It takes the pods in no order,
// which moves the last bits; here it is by name.
func (w *Workload) Save(name string, now time.Time) *model.AggregateContainerState {
	saved := model.NewAggregateContainerState()
	saved.MergeContainerState(w.Aggregate(name))
	for _, c := range slices.SortedFunc(maps.Keys(w.states), func(x, y usage.Container) int { return cmp.Compare(x.Pod, y.Pod) }) {
		if s := w.states[c]; c.Name == name && now.Before(s.WindowEnd) {
			saved.AggregateMemoryPeaks.SubtractSample(model.BytesFromMemoryAmount(s.GetMaxMemoryPeak()), 1.0, s.WindowEnd)
		}
	}
	return saved
}
