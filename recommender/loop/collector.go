package loop

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// collector shows what is published. It reads the VPAs when it is asked, so that tens of thousands of values cost
// nothing between two scrapes.
type collector struct{ loop *Loop }

var (
	objectsDesc = prometheus.NewDesc(namespace+"_vpa_objects_count", "Number of VPA objects present in the cluster.",
		[]string{"update_mode", "has_recommendation", "api", "matches_pods", "unsupported_config"}, nil)
	recommendationDesc = prometheus.NewDesc(namespace+"_recommendation", "What is recommended for a container: cores of CPU, bytes of memory.",
		[]string{"namespace", "vpa", "container", "resource", "bound"}, nil)
	targetDesc = prometheus.NewDesc(namespace+"_vpa_target_info", "Always 1: what a VPA recommends for, to find its pods by their owners.",
		[]string{"namespace", "vpa", "target_kind", "target_name"}, nil)
	conditionDesc = prometheus.NewDesc(namespace+"_vpa_condition", "Conditions of a VPA, with their reasons: 1 while true, else 0.",
		[]string{"namespace", "vpa", "condition", "reason"}, nil)
)

// Collector returns the metrics that tell of VPAs. It shows nothing while this process does not work on any.
func (l *Loop) Collector() prometheus.Collector { return collector{l} }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- objectsDesc
	ch <- recommendationDesc
	ch <- targetDesc
	ch <- conditionDesc
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	if c.loop.finished.Load() == 0 {
		return
	}
	vpas, err := c.loop.cluster.VPAs(context.Background())
	if err != nil {
		c.loop.log.Error(err, "VPAs are missing in the metrics")
		return
	}
	counts := map[objectKind]int{}
	for _, vpa := range vpas {
		counts[kindOf(vpa)]++
		collectRecommendation(ch, vpa)
		collectConditions(ch, vpa)
		if ref := vpa.Spec.TargetRef; ref != nil {
			ch <- prometheus.MustNewConstMetric(targetDesc, prometheus.GaugeValue, 1, vpa.Namespace, vpa.Name, ref.Kind, ref.Name)
		}
	}
	for kind, n := range counts {
		ch <- prometheus.MustNewConstMetric(objectsDesc, prometheus.GaugeValue, float64(n),
			kind.mode, truth(kind.recommended), "v1", truth(kind.matches), truth(kind.unsupported))
	}
}

// objectKind is what VPAs are counted by.
type objectKind struct {
	mode                              string
	recommended, matches, unsupported bool
}

func kindOf(vpa *vpav1.VerticalPodAutoscaler) objectKind {
	is := func(kind vpav1.VerticalPodAutoscalerConditionType) bool {
		return slices.ContainsFunc(vpa.Status.Conditions, func(c vpav1.VerticalPodAutoscalerCondition) bool {
			return c.Type == kind && c.Status == corev1.ConditionTrue
		})
	}
	return objectKind{
		mode: string(target.UpdateMode(vpa)), recommended: vpa.Status.Recommendation != nil,
		matches: !is(vpav1.NoPodsMatched), unsupported: is(vpav1.ConfigUnsupported),
	}
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func collectRecommendation(ch chan<- prometheus.Metric, vpa *vpav1.VerticalPodAutoscaler) {
	if vpa.Status.Recommendation == nil {
		return
	}
	all := vpa.Status.Recommendation.ContainerRecommendations
	for i := range all {
		rec := &all[i]
		// A status may be anybody's. Two series of the same labels would take all metrics with them.
		if slices.ContainsFunc(all[:i], func(r vpav1.RecommendedContainerResources) bool { return r.ContainerName == rec.ContainerName }) {
			continue
		}
		for bound, list := range map[string]corev1.ResourceList{
			"target": rec.Target, "lower_bound": rec.LowerBound, "upper_bound": rec.UpperBound, "uncapped_target": rec.UncappedTarget,
		} {
			for _, name := range slices.Sorted(maps.Keys(list)) {
				q := list[name]
				ch <- prometheus.MustNewConstMetric(recommendationDesc, prometheus.GaugeValue, q.AsApproximateFloat64(),
					vpa.Namespace, vpa.Name, rec.ContainerName, string(name), bound)
			}
		}
	}
}

func collectConditions(ch chan<- prometheus.Metric, vpa *vpav1.VerticalPodAutoscaler) {
	for i, c := range vpa.Status.Conditions {
		if slices.ContainsFunc(vpa.Status.Conditions[:i], func(other vpav1.VerticalPodAutoscalerCondition) bool { return other.Type == c.Type }) {
			continue
		}
		value := 0.0
		if c.Status == corev1.ConditionTrue {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(conditionDesc, prometheus.GaugeValue, value, vpa.Namespace, vpa.Name, string(c.Type), c.Reason)
	}
}
