package charts

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster"
)

// held is a namespace that enforces the restricted standard, as deploy/namespace.yaml says and the chart's notes tell users to.
const held = `
apiVersion: v1
kind: Namespace
metadata: {name: held, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: sartor-admission}
value: 1000000
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: platform}
value: 1000000
`

// restricted makes pods out of the templates of all Deployments, in a namespace that enforces the standard: of a Deployment
// the API server would only warn. Pods have the accounts and classes that they name, so that nothing else can refuse them.
func restricted(t *testing.T, c *cluster.Cluster) {
	kubectl(t, c, held, "apply", "-f", "-")
	for _, account := range []string{"sartor-recommender", "sartor-admission"} {
		kubectl(t, c, "", "-n", "held", "create", "serviceaccount", account)
	}
	enforced(t, c)
	pods := 0
	for name, manifests := range variants(t) {
		for _, o := range decode(t, manifests) {
			require.NotContains(t, []string{"Pod", "DaemonSet", "StatefulSet", "Job", "CronJob"}, o.kind(), "%s: %s", name, o.id())
			if o.kind() == "Deployment" {
				require.NoError(t, create(t.Context(), c, pod(t, o)), "%s: %s", name, o.name())
				pods++
			}
		}
	}
	require.Greater(t, pods, 20)
	// What all this stands on: a pod that lacks one thing is refused.
	for _, lacking := range []string{"securityContext", "capabilities", "allowPrivilegeEscalation"} {
		o := find(t, decode(t, sartor().manifests(t)), "Deployment", "sartor-recommender")
		delete(o.table("spec", "template", "spec"), lacking)
		delete(o.container().table("securityContext"), lacking)
		err := create(t.Context(), c, pod(t, o))
		require.ErrorContains(t, err, `violates PodSecurity "restricted:latest"`, lacking)
	}
}

// enforced waits until API servers have heard of the namespace's label.
func enforced(t *testing.T, c *cluster.Cluster) {
	eventually(t, "pods are held to the standard", func(ctx context.Context) error {
		err := create(ctx, c, "apiVersion: v1\nkind: Pod\nmetadata: {name: plain, namespace: held}\nspec: {serviceAccountName: sartor-recommender, containers: [{name: plain, image: plain}]}\n")
		if err == nil {
			return errors.New("a plain pod is taken")
		}
		return nil
	})
}

// create does all of creating but to keep what was created.
func create(ctx context.Context, c *cluster.Cluster, manifest string) error {
	_, err := c.Kubectl(ctx, manifest, "create", "--dry-run=server", "-f", "-")
	return err
}

// pod is one as a Deployment makes it, in the namespace that is held.
func pod(t *testing.T, deployment object) string {
	t.Helper()
	template := object(deployment.table("spec", "template"))
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
		"metadata": map[string]any{"name": fmt.Sprint(deployment.name(), "-x"), "namespace": "held", "labels": template.in("metadata", "labels")},
	})
	require.NoError(t, err)
	return string(text)
}
