package install

import (
	"bytes"
	"fmt"
	"path/filepath"
	"text/template"
)

// overlayTemplate is everything in which an installation beside simulated nodes differs from one in a cluster
// that runs its programs as pods.
var overlayTemplate = template.Must(template.New("kustomization.yaml").Parse(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- {{.Deploy}}
configMapGenerator:
- name: sartor-recommender
  namespace: sartor-system
  behavior: merge
  literals:
  - PROMETHEUS_ADDRESS={{.Prometheus}}
  - PROMETHEUS_ENV_LABEL={{.EnvLabel}}
  - K8S_ENVIRONMENT={{.Environment}}
patches:
# The programs run as processes.
- target:
    kind: Deployment
  patch: |
    - op: replace
      path: /spec/replicas
      value: 0
# The Service leads to one of them.
- target:
    kind: Service
    name: sartor-admission
  patch: |
    - op: replace
      path: /spec
      value:
        type: ExternalName
        externalName: localhost
        ports:
        - name: https
          port: {{.Port}}
- target:
    kind: MutatingWebhookConfiguration
  patch: |
    - op: add
      path: /webhooks/0/clientConfig/service/port
      value: {{.Port}}
    - op: add
      path: /webhooks/1/clientConfig/service/port
      value: {{.Port}}
`))

func (i *installer) overlay(folder string) ([]byte, error) {
	port, err := i.cluster.Port("admission")
	if err != nil {
		return nil, err
	}
	data := map[string]any{"Port": port, "Prometheus": "", "EnvLabel": "", "Environment": ""}
	if i.options.Environment != "" {
		data["Prometheus"], data["EnvLabel"], data["Environment"] = i.cluster.PrometheusURL(), "env", i.options.Environment
	}
	return writeOverlay(folder, data)
}

// writeOverlay returns the overlay with data, as a kustomization in folder.
func writeOverlay(folder string, data map[string]any) ([]byte, error) {
	deploy, err := deployFrom(folder)
	if err != nil {
		return nil, err
	}
	data["Deploy"] = deploy
	var out bytes.Buffer
	err = overlayTemplate.Execute(&out, data)
	return out.Bytes(), err
}

// deployFrom is the way from folder to deploy/: kustomize takes no absolute paths.
func deployFrom(folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return "", err
	}
	deploy, err := filepath.Rel(folder, filepath.Join(root, "deploy"))
	if err != nil {
		return "", fmt.Errorf("the way from %s to deploy/: %w", folder, err)
	}
	return deploy, nil
}
