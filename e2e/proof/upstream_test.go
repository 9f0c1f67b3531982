package proof

import (
	"fmt"
	"io"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	provider "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input/history"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/routines"
	"k8s.io/klog/v2"

	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/pkg/upstreamtest"
)

func init() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard) // it has a line for each sample that comes twice
}

// upstreamConfig is upstream's configuration at its defaults (8 days at a resolution of an hour), but for the names of
// labels, metrics and jobs: those of today's Kubernetes.
func upstreamConfig(url string) provider.PrometheusHistoryProviderConfig {
	return provider.PrometheusHistoryProviderConfig{
		Address: url, QueryTimeout: 5 * time.Minute, HistoryLength: "8d", HistoryResolution: "1h",
		PodLabelPrefix: "label_", PodLabelsMetricName: "kube_pod_labels[8d]", PodNamespaceLabel: "namespace", PodNameLabel: "pod",
		CtrNamespaceLabel: "namespace", CtrPodNameLabel: "pod", CtrNameLabel: "container", CadvisorMetricsJobName: "kubelet",
		CPUMetricName: "container_cpu_usage_seconds_total", MemoryMetricName: "container_memory_working_set_bytes",
	}
}

// upstreamsLoad is what upstream's recommender knows when it has read its history.
type upstreamsLoad struct {
	model   model.ClusterState
	samples int
}

// loadUpstream reads history as upstream's recommender does at its start, for a VPA for each workload.
func loadUpstream(config provider.PrometheusHistoryProviderConfig, workloads []history.Workload) (upstreamsLoad, error) {
	l := upstreamsLoad{model: model.NewClusterState(time.Hour)}
	p, err := provider.NewPrometheusHistoryProvider(config)
	if err != nil {
		return l, err
	}
	found, err := p.GetClusterHistory()
	if err != nil {
		return l, err
	}
	// As ClusterStateFeeder.InitFromHistoryProvider does.
	for id, pod := range found {
		l.model.AddOrUpdatePod(id, pod.LastLabels, corev1.PodUnknown)
		for name, samples := range pod.Samples {
			id := model.ContainerID{PodID: id, ContainerName: name}
			if err := l.model.AddOrUpdateContainer(id, nil); err != nil {
				return l, err
			}
			for _, s := range samples {
				// One that is refused is one too many, as of a container that has two series.
				if l.model.AddSample(&model.ContainerUsageSampleWithKey{ContainerUsageSample: s, Container: id}) == nil {
					l.samples++
				}
			}
		}
	}
	for _, w := range workloads {
		if err := l.addVPA(w); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l upstreamsLoad) addVPA(w history.Workload) error {
	return l.model.AddOrUpdateVpa(&vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: w.Name},
		Spec: vpav1.VerticalPodAutoscalerSpec{
			TargetRef: &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: w.Kind, Name: w.Name},
		},
	}, labels.SelectorFromSet(labels.Set{"app": w.Name}))
}

// estimates are upstream's of a workload's containers.
func (l upstreamsLoad) estimates(w history.Workload) (map[string]estimates, error) {
	vpa := l.model.VPAs()[model.VpaID{Namespace: w.Namespace, VpaName: w.Name}]
	if vpa == nil {
		return nil, fmt.Errorf("upstream has no VPA %s/%s", w.Namespace, w.Name)
	}
	return upstreamEstimates(routines.GetContainerNameToAggregateStateMap(vpa)), nil
}

// upstreamEstimates are those of upstream's logic with its defaults, but without the least that it gives a pod: that would
// hide differences.
func upstreamEstimates(containers model.ContainerNameToAggregateStateMap) map[string]estimates {
	config := upstreamtest.Defaults()
	config.PodMinCPUMillicores, config.PodMinMemoryMb = 0, 0
	recommended := logic.CreatePodResourceRecommender(config).GetRecommendedPodResources(containers)
	all := map[string]estimates{}
	for name, r := range recommended {
		var e estimates
		for i, resource := range []model.ResourceName{model.ResourceCPU, model.ResourceMemory} {
			e[i] = bounds{target: float64(r.Target[resource]), lower: float64(r.LowerBound[resource]), upper: float64(r.UpperBound[resource]), confidence: upstreamsConfidence(containers[name])}
		}
		all[name] = e
	}
	return all
}

// upstreamsConfidence is the number of days that upstream's logic widens its bounds by.
func upstreamsConfidence(s *model.AggregateContainerState) float64 {
	const day = 24 * time.Hour
	return min(float64(s.LastSampleStart.Sub(s.FirstSampleStart))/float64(day), float64(s.TotalSamplesCount)/day.Minutes())
}
