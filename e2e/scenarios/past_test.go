package scenarios

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/e2e/cluster"
)

// service is a Deployment of one container "app" with a VPA of its own, what a container of it uses now, and, if it
// is not new, what upstream's recommender knew of its last days when it wrote its last checkpoint.
type service struct {
	name      string
	cpu       string // quantities, as the usage annotations take them
	memory    string
	resources string  // requests and limits, in YAML's flow style
	past      []cycle // nil: it is new
	more      string  // of the VPA's spec, in YAML's flow style, such as "resourcePolicy: {...}"
}

// cycle is a part of each hour in which a container used so much. Hours are counted from the end of the past, so
// that a service is in its first cycle when its past ends, at whatever minute a test runs: its last peak weighs as
// much as all before together, and one of a burst would move the median when pods that are quiet now have been seen.
type cycle struct {
	share float64
	milli float64
	bytes float64
}

const pastDays = 4

// checkpoint is what upstream would have written of these days until end.
func checkpoint(s service, end time.Time) *vpav1.VerticalPodAutoscalerCheckpoint {
	aggregate := model.NewAggregateContainerState()
	container := model.NewContainerState(nil, aggregate)
	random := rand.New(rand.NewPCG(7, uint64(len(s.name))))
	for at := end.Add(-pastDays * 24 * time.Hour); !at.After(end); at = at.Add(time.Minute) {
		part := at.Sub(end.Add(-pastDays*24*time.Hour)).Minutes() / 60
		part -= math.Floor(part)
		now := s.past[len(s.past)-1]
		for _, c := range s.past {
			if part -= c.share; part < 0 {
				now = c
				break
			}
		}
		noisy := func(v float64) model.ResourceAmount {
			return model.ResourceAmount(math.Round(v * (0.9 + 0.2*random.Float64())))
		}
		container.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: noisy(now.milli), Resource: model.ResourceCPU})
		container.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: noisy(now.bytes), Resource: model.ResourceMemory})
	}
	status, err := aggregate.SaveToCheckpoint()
	if err != nil {
		panic(err) // cannot be: these are ordinary numbers
	}
	return &vpav1.VerticalPodAutoscalerCheckpoint{
		ObjectMeta: metav1.ObjectMeta{Name: s.name + "-app"},
		Spec:       vpav1.VerticalPodAutoscalerCheckpointSpec{VPAObjectName: s.name, ContainerName: "app"},
		Status:     *status,
	}
}

// deploy creates the services, and the checkpoints of those that have a past, in a namespace of their own.
func deploy(t *testing.T, c *cluster.Cluster, namespace string, services ...service) {
	t.Helper()
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", namespace)
	for _, s := range services {
		fmt.Fprintf(&yaml, `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {usage/cpu: %[3]q, usage/memory: %[4]q}}
    spec: {containers: [{name: app, image: "app:1", resources: {%[5]s}}]}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s}
  %[6]s
`, s.name, namespace, s.cpu, s.memory, s.resources, s.more)
	}
	_, err := c.Kubectl(t.Context(), yaml.String(), "apply", "-f", "-")
	require.NoError(t, err)
	checkpoints := vpaClient(t, c).AutoscalingV1().VerticalPodAutoscalerCheckpoints(namespace)
	for _, s := range services {
		if s.past != nil {
			_, err := checkpoints.Create(t.Context(), checkpoint(s, time.Now()), metav1.CreateOptions{})
			require.NoError(t, err)
		}
	}
}
