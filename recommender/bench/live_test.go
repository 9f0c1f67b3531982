package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	inputmetrics "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input/metrics"
	"k8s.io/client-go/rest"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

// metricsServer is a client of a server that gives the cluster's live metrics as JSON. The server is part of the process, and
// so of both measurements.
func metricsServer(vpas int) metricsclient.MetricsV1beta1Interface {
	list := v1beta1.PodMetricsList{TypeMeta: metav1.TypeMeta{Kind: "PodMetricsList", APIVersion: "metrics.k8s.io/v1beta1"}}
	for i := range vpas * podsPerVPA {
		list.Items = append(list.Items, podMetrics(i))
	}
	answer, err := json.Marshal(list)
	need(err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	return metricsclient.NewForConfigOrDie(&rest.Config{Host: server.URL, QPS: -1})
}

// podMetrics is what metrics-server says of the i-th pod.
func podMetrics(i int) v1beta1.PodMetrics {
	v, at := i/podsPerVPA, metav1.NewTime(historyStart.Add(time.Duration(i%60)*time.Second))
	pod := v1beta1.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(v), Name: podOf(v, i%podsPerVPA), Labels: labelsOf(v), CreationTimestamp: at},
		Timestamp:  at, Window: metav1.Duration{Duration: 15 * time.Second},
	}
	for c, name := range containerNames {
		millicores, bytes := newLoad(i*containersPerPod + c).next()
		pod.Containers = append(pod.Containers, v1beta1.ContainerMetrics{Name: name, Usage: resources(
			fmt.Sprintf("%dn", millicores*1e6+1), fmt.Sprintf("%dKi", bytes>>10))})
	}
	return pod
}

func liveDecode(vpas int) operation {
	source := podmetrics.New(metricsServer(vpas))
	return func(r reading) {
		samples := 0
		r.Measure(1, func() {
			round, err := source.Each(context.Background(), func(usage.Sample) { samples++ })
			need(err)
			needCount(round.Pods, vpas*podsPerVPA)
		})
		needCount(samples, len(usage.Resources)*vpas*containersPerVPA)
	}
}

func upstreamLiveDecode(vpas int) operation {
	client := inputmetrics.NewMetricsClient(inputmetrics.NewPodMetricsesSource(metricsServer(vpas)), metav1.NamespaceAll, "bench")
	return func(r reading) {
		r.Measure(1, func() {
			snapshots, err := client.GetContainersMetrics(context.Background())
			need(err)
			needCount(len(snapshots), vpas*containersPerVPA)
		})
	}
}

func needCount(got, want int) {
	if got != want {
		panic(fmt.Sprintf("got %d instead of %d", got, want))
	}
}

func upstreamLiveFold(vpas int) operation {
	cluster, live := upstreamModel(newVPAs(vpas), newPods(vpas), 0), newUpstreamLive(vpas)
	feeder := newUpstreamObjects(nil, nil, nil).feeder(cluster, live)
	at := historyStart
	return func(r reading) {
		at = at.Add(time.Minute)
		live.advance(at)
		r.Measure(1, func() { feeder.LoadRealTimeMetrics(context.Background()) })
		needCount(len(cluster.Pods()), vpas*podsPerVPA)
	}
}
