// Package podmetrics reads what containers use now from metrics.k8s.io.
package podmetrics

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Source reads the metrics API.
type Source struct {
	pods metricsclient.PodMetricsesGetter
}

// New returns a Source that asks through pods.
func New(pods metricsclient.PodMetricsesGetter) *Source { return &Source{pods: pods} }

// Samples returns what every container of the cluster uses now, by the API server's word. The API serves
// only the last measurement: the same sample may come again.
func (s *Source) Samples(ctx context.Context) ([]usage.Sample, error) {
	list, err := s.pods.PodMetricses(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing pods of metrics.k8s.io (is metrics-server running?): %w", err)
	}
	samples := make([]usage.Sample, 0, 2*len(usage.Resources)*len(list.Items))
	for i := range list.Items {
		samples = appendPod(samples, &list.Items[i])
	}
	return samples, nil
}

func appendPod(samples []usage.Sample, pod *v1beta1.PodMetrics) []usage.Sample {
	for i := range pod.Containers {
		c := &pod.Containers[i]
		sample := usage.Sample{
			Container: usage.Container{Namespace: pod.Namespace, Pod: pod.Name, Name: c.Name},
			Time:      pod.Timestamp.Time,
		}
		if cpu, ok := c.Usage["cpu"]; ok {
			sample.Resource, sample.Amount = usage.CPU, usage.Amount(cpu.MilliValue())
			samples = append(samples, sample)
		}
		if memory, ok := c.Usage["memory"]; ok {
			sample.Resource, sample.Amount = usage.Memory, usage.Amount(memory.Value())
			samples = append(samples, sample)
		}
	}
	return samples
}
