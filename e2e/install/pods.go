package install

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/images"
)

// podsTemplate is everything in which an installation on a real node differs from deploy/.
var podsTemplate = template.Must(template.New("kustomization.yaml").Parse(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- {{.Deploy}}
# No registry has images of what is in the tree: containerd was given them.
images:
- name: ghcr.io/sartor-vpa/recommender
  newName: {{.Recommender.Name}}
  newTag: {{.Recommender.Tag}}
- name: ghcr.io/sartor-vpa/admission
  newName: {{.Admission.Name}}
  newTag: {{.Admission.Tag}}
{{- if .Environment}}
# As README says: where history is, and which of it is this cluster's.
configMapGenerator:
- name: sartor-recommender
  namespace: sartor-system
  behavior: merge
  literals:
  - PROMETHEUS_ADDRESS={{.Prometheus}}
  - PROMETHEUS_ENV_LABEL=env
  - K8S_ENVIRONMENT={{.Environment}}
{{- end}}
patches:
- target:
    kind: Deployment
  patch: |
    - op: add
      path: /spec/template/spec/containers/0/imagePullPolicy
      value: Never
{{- range .Args}}
# What the test wants of it beside.
- target:
    kind: Deployment
    name: {{.Deployment}}
  patch: |
    - op: add
      path: /spec/template/spec/containers/0/args/-
      value: {{.Value}}
{{- end}}
`))

// argument is one that is added to a Deployment's.
type argument struct{ Deployment, Value string }

// Pods applies deploy/ to a cluster with a real node, on which both programs then run as pods of their Deployments, and
// returns when these are available. The cluster's node must have been given images.Build's archives.
func Pods(ctx context.Context, c *cluster.Cluster, o Options) error {
	i := &installer{cluster: c, options: o, started: time.Now()}
	return i.do(ctx,
		step{"manifests of deploy/ applied, for pods", i.applyPods},
		step{"Deployments of deploy/ available", func(ctx context.Context) error { return Available(ctx, c) }},
	)
}

// Available waits until all of both Deployments' replicas are available.
func Available(ctx context.Context, c *cluster.Cluster) error {
	for _, name := range []string{"deployment/sartor-admission", "deployment/sartor-recommender"} {
		if _, err := c.Kubectl(ctx, "", "--namespace="+Namespace, "rollout", "status", "--timeout=2m", name); err != nil {
			return err
		}
	}
	return nil
}

func (i *installer) applyPods(ctx context.Context) error {
	folder := filepath.Join(i.cluster.Dir(), "deploy-pods")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	overlay, err := podsOverlay(folder, i.cluster.PrometheusURL(), i.options)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), overlay, 0o644); err != nil {
		return err
	}
	if _, err := i.cluster.Kubectl(ctx, "", "apply", "-k", folder); err != nil {
		return err
	}
	return established(ctx, i.cluster)
}

// podsOverlay is the overlay as a kustomization in folder. With an environment, history is at the URL prometheus.
func podsOverlay(folder, prometheus string, o Options) ([]byte, error) {
	deploy, err := deployFrom(folder)
	if err != nil {
		return nil, err
	}
	var args []argument
	for _, a := range o.RecommenderArgs {
		args = append(args, argument{"sartor-recommender", a})
	}
	for _, a := range o.AdmissionArgs {
		args = append(args, argument{"sartor-admission", a})
	}
	var out bytes.Buffer
	if err := podsTemplate.Execute(&out, map[string]any{
		"Deploy": deploy, "Recommender": images.Recommender, "Admission": images.Admission, "Args": args,
		"Prometheus": prometheus, "Environment": o.Environment,
	}); err != nil {
		return nil, fmt.Errorf("write the overlay for pods: %w", err)
	}
	return out.Bytes(), nil
}
