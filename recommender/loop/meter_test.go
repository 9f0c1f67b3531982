package loop

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

func TestMetricsTellWhatIsThereUnderUpstreamsNames(t *testing.T) {
	w := newWorld(t, false)
	registry := prometheus.NewRegistry()
	w.loop = New(options(), w, w, nil, NewMeter(registry), func() time.Time { return w.clock }, testr.New(t))
	registry.MustRegister(w.loop.Collector())
	w.vpa("shop", bounded(nil, list("4", "4Gi")))
	w.vpa("broken", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef = nil })
	w.pod("shop", "shop")
	w.useFor(2, "shop", "shop", 480, 700)
	w.loop.meter.live(podmetrics.Round{Dropped: map[podmetrics.Reason]int{podmetrics.Negative: 2}}, nil, 1)
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP vpa_recommender_aggregate_container_states_count Number of aggregate container states being tracked by the recommender
# TYPE vpa_recommender_aggregate_container_states_count gauge
vpa_recommender_aggregate_container_states_count 1
# HELP vpa_recommender_metric_server_responses Count of responses to queries to metrics server
# TYPE vpa_recommender_metric_server_responses counter
vpa_recommender_metric_server_responses{client_name="metrics-server",is_error="false"} 3
vpa_recommender_metric_server_responses{client_name="metrics-server",is_error="true"} 0
# HELP vpa_recommender_metric_server_values_dropped_total Values of the metrics API that were not used, by reason.
# TYPE vpa_recommender_metric_server_values_dropped_total counter
vpa_recommender_metric_server_values_dropped_total{reason="from-the-future"} 1
vpa_recommender_metric_server_values_dropped_total{reason="negative"} 2
# HELP vpa_recommender_recommendation What is recommended for a container: cores of CPU, bytes of memory.
# TYPE vpa_recommender_recommendation gauge
vpa_recommender_recommendation{bound="lower_bound",container="shop",namespace="store",resource="cpu",vpa="shop"} 0.098
vpa_recommender_recommendation{bound="lower_bound",container="shop",namespace="store",resource="memory",vpa="shop"} 2.62144e+08
vpa_recommender_recommendation{bound="target",container="shop",namespace="store",resource="cpu",vpa="shop"} 0.587
vpa_recommender_recommendation{bound="target",container="shop",namespace="store",resource="memory",vpa="shop"} 8.65936536e+08
vpa_recommender_recommendation{bound="uncapped_target",container="shop",namespace="store",resource="cpu",vpa="shop"} 0.587
vpa_recommender_recommendation{bound="uncapped_target",container="shop",namespace="store",resource="memory",vpa="shop"} 8.65936536e+08
vpa_recommender_recommendation{bound="upper_bound",container="shop",namespace="store",resource="cpu",vpa="shop"} 4
vpa_recommender_recommendation{bound="upper_bound",container="shop",namespace="store",resource="memory",vpa="shop"} 4.294967296e+09
# HELP vpa_recommender_vpa_condition Conditions of a VPA, with their reasons: 1 while true, else 0.
# TYPE vpa_recommender_vpa_condition gauge
vpa_recommender_vpa_condition{condition="ConfigUnsupported",namespace="store",reason="TargetRefInvalid",vpa="broken"} 1
vpa_recommender_vpa_condition{condition="LowConfidence",namespace="store",reason="ShortHistory",vpa="shop"} 1
vpa_recommender_vpa_condition{condition="RecommendationProvided",namespace="store",reason="ConfigUnsupported",vpa="broken"} 0
vpa_recommender_vpa_condition{condition="RecommendationProvided",namespace="store",reason="RecommendationProvided",vpa="shop"} 1
# HELP vpa_recommender_vpa_objects_count Number of VPA objects present in the cluster.
# TYPE vpa_recommender_vpa_objects_count gauge
vpa_recommender_vpa_objects_count{api="v1",has_recommendation="false",matches_pods="true",unsupported_config="true",update_mode="Recreate"} 1
vpa_recommender_vpa_objects_count{api="v1",has_recommendation="true",matches_pods="true",unsupported_config="false",update_mode="Recreate"} 1
# HELP vpa_recommender_vpa_target_info Always 1: what a VPA recommends for, to find its pods by their owners.
# TYPE vpa_recommender_vpa_target_info gauge
vpa_recommender_vpa_target_info{namespace="store",target_kind="Deployment",target_name="shop",vpa="shop"} 1
# HELP vpa_recommender_writes_total Objects written to the API server, and attempts that failed.
# TYPE vpa_recommender_writes_total counter
vpa_recommender_writes_total{kind="checkpoint",result="error"} 0
vpa_recommender_writes_total{kind="checkpoint",result="ok"} 0
vpa_recommender_writes_total{kind="status",result="error"} 0
vpa_recommender_writes_total{kind="status",result="ok"} 3
`), "vpa_recommender_aggregate_container_states_count", "vpa_recommender_metric_server_responses", "vpa_recommender_metric_server_values_dropped_total",
		"vpa_recommender_recommendation", "vpa_recommender_vpa_objects_count", "vpa_recommender_vpa_condition", "vpa_recommender_vpa_target_info", "vpa_recommender_writes_total"))
}

func TestAStatusThatNamesAThingTwiceSpoilsNoMetric(t *testing.T) {
	w := newWorld(t, false)
	twice := []vpav1.RecommendedContainerResources{{ContainerName: "shop", Target: list("1", "1Gi")}, {ContainerName: "shop", Target: list("2", "2Gi")}}
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
		v.Status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: twice}
		v.Status.Conditions = []vpav1.VerticalPodAutoscalerCondition{{Type: Capped, Reason: "A"}, {Type: Capped, Reason: "A"}}
	})
	w.loop.finished.Store(1)
	require.Equal(t, 2+1, testutil.CollectAndCount(w.loop.Collector(), "vpa_recommender_recommendation", "vpa_recommender_vpa_condition"))
}
