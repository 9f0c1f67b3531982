package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// others are workloads beside the invitation's: another kind with a fractional limit, one whose VPA only
// recommends, one that opted out, and a bare pod.
const others = `
apiVersion: v1
kind: Namespace
metadata: {name: bank}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ledger, namespace: bank}
spec:
  serviceName: ledger
  replicas: 2
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}, annotations: {usage/cpu: 1700m, usage/memory: 3Gi}}
    spec:
      containers:
      - {name: db, image: db:1, resources: {requests: {cpu: "1", memory: 1Gi}, limits: {cpu: 2500m, memory: 4Gi}}}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: the-ledger, namespace: bank}
spec: {targetRef: {apiVersion: apps/v1, kind: StatefulSet, name: ledger}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: watched, namespace: bank}
spec:
  selector: {matchLabels: {app: watched}}
  template:
    metadata: {labels: {app: watched}, annotations: {usage/cpu: 350m, usage/memory: 900Mi}}
    spec: {containers: [{name: app, image: app:1, resources: {requests: {cpu: 50m}}}]}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: watched, namespace: bank}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: watched}
  updatePolicy: {updateMode: "Off"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stubborn, namespace: bank}
spec:
  selector: {matchLabels: {app: stubborn}}
  template:
    metadata: {labels: {app: stubborn}, annotations: {usage/cpu: 350m, usage/memory: 900Mi, sartor.dev/inject: "false"}}
    spec: {containers: [{name: app, image: app:1, resources: {requests: {cpu: 50m}}}]}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: stubborn, namespace: bank}
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: stubborn}}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: bank, labels: {app: ledger}}
spec: {containers: [{name: db, image: db:1, resources: {requests: {cpu: 50m}}}]}
`

func TestAServiceWithoutHistoryIsServedFromLiveMetrics(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	c := start(t, cluster.Options{Name: "live"})
	sartor, err := install.Run(t.Context(), c, install.Options{RecommenderArgs: []string{"--recommender-interval=5s", "--checkpoint-interval=5s"}, Race: true, Progress: t.Output()})
	require.NoError(t, err)
	_, err = c.Kubectl(t.Context(), story.Hello+"\n---"+others, "apply", "-f", "-")
	require.NoError(t, err)

	hello := recommended(t, c, "default", "hello", "hello", 350, 900<<20)
	ledger := recommended(t, c, "bank", "the-ledger", "db", 1700, 3<<30)
	recommended(t, c, "bank", "watched", "app", 350, 900<<20)
	recommended(t, c, "bank", "stubborn", "app", 350, 900<<20)
	explains(t, c, sartor, "the-ledger", "db", ledger)

	for _, workload := range [][2]string{{"default", "deployment/hello"}, {"bank", "statefulset/ledger"}, {"bank", "deployment/watched"}, {"bank", "deployment/stubborn"}} {
		_, err := c.Kubectl(t.Context(), "", "-n", workload[0], "rollout", "restart", workload[1])
		require.NoError(t, err)
		_, err = c.Kubectl(t.Context(), "", "-n", workload[0], "rollout", "status", "--timeout=2m", workload[1])
		require.NoError(t, err)
	}
	declaredOnly := corev1.ResourceRequirements{Requests: list("50m", "")}
	for _, tc := range []struct {
		namespace, selector string
		pods                int
		want                corev1.ResourceRequirements
	}{
		{"default", "app=hello", 2, corev1.ResourceRequirements{Requests: hello, Limits: story.ExpectedLimits(list("500m", "128Mi"), hello)}},
		{"bank", "app=ledger,apps.kubernetes.io/pod-index", 2, corev1.ResourceRequirements{Requests: ledger, Limits: story.ExpectedLimits(list("2500m", "4Gi"), ledger)}},
		{"bank", "app=watched", 1, declaredOnly},
		{"bank", "app=stubborn", 1, declaredOnly},
		{"bank", "app=ledger,!apps.kubernetes.io/pod-index", 1, declaredOnly},
	} {
		t.Run(tc.namespace+" "+tc.selector, func(t *testing.T) {
			pods := running(t, c, tc.namespace, tc.selector, tc.pods)
			for _, p := range pods {
				require.Equal(t, describe(tc.want), describe(p.Spec.Containers[0].Resources), p.Name)
			}
		})
	}
}

// recommended waits for the VPA's recommendation for a container that always used the same, and holds it to what
// upstream makes of that.
func recommended(t *testing.T, c *cluster.Cluster, namespace, vpa, container string, milli, bytes model.ResourceAmount) corev1.ResourceList {
	aggregate := model.NewAggregateContainerState()
	state := model.NewContainerState(nil, aggregate)
	at := time.Now()
	state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: milli, Resource: model.ResourceCPU})
	state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: bytes, Resource: model.ResourceMemory})
	want := recommend(model.ContainerNameToAggregateStateMap{container: aggregate})[container].Target

	var target corev1.ResourceList
	err := poll.Within(t.Context(), 3*time.Minute, time.Second, func(ctx context.Context) error {
		v, err := story.GetVPA(ctx, c, namespace, vpa)
		if err != nil {
			return err
		}
		if !story.Is(v, vpav1.RecommendationProvided) || !story.Is(v, vpav1.LowConfidence) {
			return fmt.Errorf("VPA %s has no recommendation of low confidence yet: %v", vpa, v.Status.Conditions)
		}
		target = story.Target(v, container)
		// A container that has just started has used less, for a measurement or two.
		if got := describe(corev1.ResourceRequirements{Requests: target}); got != fmt.Sprintf("cpu %dm/- memory %d/-", want[model.ResourceCPU], want[model.ResourceMemory]) {
			return fmt.Errorf("VPA %s recommends %s and not %v", vpa, got, want)
		}
		return nil
	})
	require.NoError(t, err)
	return target
}

// running waits until exactly n pods that are not being deleted match.
func running(t *testing.T, c *cluster.Cluster, namespace, selector string, n int) []corev1.Pod {
	var pods []corev1.Pod
	err := poll.Within(t.Context(), time.Minute, 200*time.Millisecond, func(ctx context.Context) error {
		var list corev1.PodList
		if err := story.Get(ctx, c, &list, "-n", namespace, "get", "pods", "-l", selector); err != nil {
			return err
		}
		pods = pods[:0]
		for _, p := range list.Items {
			if p.DeletionTimestamp == nil {
				pods = append(pods, p)
			}
		}
		if len(pods) != n {
			return fmt.Errorf("%d pods match %s and not %d", len(pods), selector, n)
		}
		return nil
	})
	require.NoError(t, err)
	return pods
}

// list is a resource list without what is empty.
func list(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	if memory != "" {
		l[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	return l
}

func describe(r corev1.ResourceRequirements) string {
	one := func(l corev1.ResourceList, name corev1.ResourceName) string {
		q, ok := l[name]
		switch {
		case !ok:
			return "-"
		case name == corev1.ResourceCPU:
			return fmt.Sprintf("%dm", q.MilliValue())
		}
		return fmt.Sprint(q.Value())
	}
	return fmt.Sprintf("cpu %s/%s memory %s/%s", one(r.Requests, "cpu"), one(r.Limits, "cpu"), one(r.Requests, "memory"), one(r.Limits, "memory"))
}
