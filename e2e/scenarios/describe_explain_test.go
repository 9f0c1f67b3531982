package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/install"
)

// reader is who may read what recommender explain needs, in one namespace, and nothing else.
const reader = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: bank}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: bank}
rules:
- {apiGroups: [autoscaling.k8s.io], resources: [verticalpodautoscalers, verticalpodautoscalercheckpoints], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [pods, replicationcontrollers], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments, replicasets, statefulsets, daemonsets], verbs: [get, list, watch]}
- {apiGroups: [batch], resources: [jobs, cronjobs], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: bank}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: bank}]
`

// explanation is what is looked at of the JSON of recommender explain.
type explanation struct {
	Live    bool
	History struct{ LastCheckpoint time.Time }

	Containers []struct {
		Name, Source string
		Resources    []struct {
			Resource          string
			Target, Published *resource.Quantity
		}
	}
}

// explains checks that recommender explain prints what is published of a VPA in the namespace bank: from the last
// checkpoint, with no rights but to read in that namespace; and by the running recommender.
func explains(t *testing.T, c *cluster.Cluster, sartor *install.Sartor, vpa, container string, published corev1.ResourceList) {
	_, err := c.Kubectl(t.Context(), reader, "apply", "-f", "-")
	require.NoError(t, err)
	kubeconfig, err := c.ServiceAccountKubeconfig(t.Context(), "bank", "reader", "explain")
	require.NoError(t, err)

	var e *explanation
	err = poll.Within(t.Context(), time.Minute, time.Second, func(ctx context.Context) error {
		var out string
		if out, err = explained(ctx, c, "bank/"+vpa, "--kubeconfig="+kubeconfig, "-o", "json"); err != nil {
			return err
		}
		e = &explanation{}
		require.NoError(t, json.Unmarshal([]byte(out), e))
		return e.says(container, published) // a checkpoint may be from before the last change
	})
	require.NoError(t, err)
	require.False(t, e.Live)
	require.WithinDuration(t, time.Now(), e.History.LastCheckpoint, time.Minute)
	require.Contains(t, e.Containers[0].Source, "in checkpoints")

	out, err := explained(t.Context(), c, "bank/"+vpa, "--live="+sartor.RecommenderURL, "-o", "json")
	require.NoError(t, err)
	e = &explanation{}
	require.NoError(t, json.Unmarshal([]byte(out), e))
	require.True(t, e.Live)
	require.NoError(t, e.says(container, published))
	require.Contains(t, e.Containers[0].Source, "live metrics")

	table, err := explained(t.Context(), c, "bank/"+vpa, "--kubeconfig="+kubeconfig)
	require.NoError(t, err)
	require.Regexp(t, `\n  published target +`+published.Cpu().String()+` +\d+Mi\n`, table)

	for argument, says := range map[string]string{
		"bank/nobody":   "there is no VPA bank/nobody: kubectl get vpa -n bank lists those that there are",
		"default/hello": "explain needs the right to get, list and watch verticalpodautoscalers",
	} {
		_, err := explained(t.Context(), c, argument, "--kubeconfig="+kubeconfig)
		require.ErrorContains(t, err, says)
	}
	_, err = explained(t.Context(), c, "bank/"+vpa, "--kubeconfig="+kubeconfig, "--recommender-name=another")
	require.ErrorContains(t, err, `is the recommender "default"'s and not "another"'s`)
}

// says reports what is not explained as it is published.
func (e *explanation) says(container string, published corev1.ResourceList) error {
	if len(e.Containers) != 1 || e.Containers[0].Name != container {
		return fmt.Errorf("not container %s alone: %+v", container, e.Containers)
	}
	for _, r := range e.Containers[0].Resources {
		want := published[corev1.ResourceName(r.Resource)]
		if r.Target == nil || r.Target.Cmp(want) != 0 || r.Published == nil || r.Published.Cmp(want) != 0 {
			return fmt.Errorf("%s is %s, and explained as %v, published %v", r.Resource, want.String(), r.Target, r.Published)
		}
	}
	return nil
}

// explained runs recommender explain as it was installed. That it logs anything is an error.
func explained(ctx context.Context, c *cluster.Cluster, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(c.Dir(), "bin", "recommender"), append([]string{"explain"}, args...)...)
	cmd.Env = process.Environ("GORACE=halt_on_error=1")
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := process.Run(ctx, cmd); err != nil {
		return "", fmt.Errorf("recommender explain %v: %w: %s", args, err, errOut.String())
	}
	if errOut.Len() > 0 {
		return "", fmt.Errorf("recommender explain %v logs: %s", args, errOut.String())
	}
	return out.String(), nil
}
