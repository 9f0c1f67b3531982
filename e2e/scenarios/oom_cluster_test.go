package scenarios

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
)

const starved = "starved" // namespace of the workloads that run out of memory

// twin ends the name of the second VPA on a service, which upstream's recommender works on.
const twin = "-upstream"

// outOfMemory: both recommenders watch the same pods at once, each for VPAs of its own.
func (p *programs) outOfMemory(t *testing.T) {
	services := []service{
		{name: "killed", cpu: "200m", memory: "500Mi", resources: "requests: {memory: 800Mi}, limits: {memory: 800Mi}"},
		{name: "pushed", cpu: "200m", memory: "500Mi", resources: "requests: {memory: 100Mi}"},
	}
	deploy(t, p.cluster, starved, services...)
	for _, s := range services {
		mine, err := vpaClient(t, p.cluster).AutoscalingV1().VerticalPodAutoscalers(starved).Get(t.Context(), s.name, metav1.GetOptions{})
		require.NoError(t, err)
		spec := mine.Spec
		spec.Recommenders = []*vpav1.VerticalPodAutoscalerRecommenderSelector{{Name: "upstream"}}
		_, err = vpaClient(t, p.cluster).AutoscalingV1().VerticalPodAutoscalers(starved).Create(t.Context(),
			&vpav1.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: s.name + twin}, Spec: spec}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	defer stop(t, p.startOurs(t), p.startTheirs(t, "--recommender-name=upstream"))
	calm := func(r recommendation) error { return memoryIs(r, 500<<20) }
	for _, s := range services {
		p.untilPublished(t, s.name, calm)
		p.untilPublished(t, s.name+twin, calm)
	}

	killForMemory(t, p.cluster, podOf(t, p.cluster, "killed"), time.Now())
	evictForMemory(t, p.cluster, podOf(t, p.cluster, "pushed"), "1200Mi")
	for name, used := range map[string]float64{"killed": 800 << 20, "pushed": 1200 << 20} {
		upstream := p.untilPublished(t, name+twin, func(r recommendation) error { return memoryIs(r, used*1.2) })
		p.untilPublished(t, name, func(r recommendation) error {
			if m := moved(memory(upstream), memory(r), true); m != "" {
				return fmt.Errorf("upstream's is another: %s", m)
			}
			return nil
		})
	}
}

// memory is what a VPA recommends of memory alone.
func memory(r recommendation) recommendation {
	r.values = map[string]float64{"app target memory": r.values["app target memory"]}
	return r
}

// memoryIs is nil when the target is that of a peak of so many bytes.
func memoryIs(r recommendation, peak float64) error {
	want := peak * 1.15
	if got := r.values["app target memory"]; math.Abs(got-want) > step("app target memory", want)*1.2 {
		return fmt.Errorf("recommends %.0f Mi and not about %.0f Mi", got/(1<<20), want/(1<<20))
	}
	return nil
}

func podOf(t *testing.T, c *cluster.Cluster, service string) corev1.Pod {
	return running(t, c, starved, "app="+service, 2)[0]
}

// killForMemory lets the pod's status say what a kubelet's says after the kernel has killed its container and the
// kubelet has started it again.
func killForMemory(t *testing.T, c *cluster.Cluster, pod corev1.Pod, at time.Time) {
	t.Helper()
	stamp := at.UTC().Format(time.RFC3339)
	patch := fmt.Sprintf(`{"status": {"containerStatuses": [{"name": "app", "image": "app:1", "imageID": "", "ready": true, "started": true,
  "restartCount": %d, "state": {"running": {"startedAt": %q}},
  "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": %q, "finishedAt": %q}}}]}}`,
		pod.Status.ContainerStatuses[0].RestartCount+1, stamp, pod.CreationTimestamp.UTC().Format(time.RFC3339), stamp)
	client := kubeClient(t, c)
	_, err := client.CoreV1().Pods(pod.Namespace).Patch(t.Context(), pod.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
}

// evictForMemory makes the event by which a kubelet tells that it has evicted a pod of a node without memory left.
func evictForMemory(t *testing.T, c *cluster.Cluster, pod corev1.Pod, used string) {
	t.Helper()
	client := kubeClient(t, c)
	_, err := client.CoreV1().Events(pod.Namespace).Create(context.WithoutCancel(t.Context()), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: pod.Name + ".", Annotations: map[string]string{
			"offending_containers": "app", "offending_containers_usage": used, "starved_resource": "memory",
		}},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Reason:         "Evicted", Type: corev1.EventTypeWarning, Source: corev1.EventSource{Component: "kubelet"},
		Message: "The node was low on resource: memory.",
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}
