package monitoring

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// conflict is an HPA on CPU beside a VPA on CPU. It scales nothing.
const conflict = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop-rc, namespace: store}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop-rc}
  minReplicas: 1
  maxReplicas: 1
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
`

// trouble lets an HPA scale the candidate on CPU, and shop be killed for memory again and again, because its VPA lets it have no more.
func trouble(t *testing.T, c *cluster.Cluster) {
	_, err := c.Kubectl(t.Context(), conflict, "apply", "-f", "-")
	require.NoError(t, err)
	_, err = c.Kubectl(t.Context(), "", "-n", story.Namespace, "patch", "vpa", story.Stable, "--type=json",
		`--patch=[{"op": "replace", "path": "/spec/resourcePolicy/containerPolicies/0/maxAllowed/memory", "value": "600Mi"}]`)
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	kills := 0
	require.NoError(t, poll.Within(t.Context(), patience, time.Second, func(ctx context.Context) error {
		kills++
		if err := kill(ctx, client, kills); err != nil {
			return err
		}
		vpa, err := story.GetVPA(ctx, c, story.Namespace, story.Stable)
		if err != nil {
			return err
		}
		for _, condition := range vpa.Status.Conditions {
			if condition.Reason == "OOMLoop" {
				return nil
			}
		}
		return fmt.Errorf("after %d kills: %v", kills, vpa.Status.Conditions)
	}))
}

// kill says of one of shop's pods what a kubelet says when the kernel has killed a container for memory.
func kill(ctx context.Context, client kubernetes.Interface, times int) error {
	pods, err := client.CoreV1().Pods(story.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "track=stable"})
	if err != nil {
		return err
	}
	pod := pods.Items[0]
	now := time.Now().UTC().Format(time.RFC3339)
	patch := fmt.Sprintf(`{"status": {"containerStatuses": [{"name": "shop", "restartCount": %d, "state": {"running": {"startedAt": %q}},
		"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": %q, "finishedAt": %q}}}]}}`,
		times, now, pod.CreationTimestamp.UTC().Format(time.RFC3339), now)
	_, err = client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	return err
}
