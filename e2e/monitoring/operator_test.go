package monitoring

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/install"
)

// built are the objects of deploy/ with both components over it, by kind and name, of the kinds that are looked at.
func built(t *testing.T) map[string]any {
	folder, err := programs.Kubernetes(t.Context(), t.Logf)
	require.NoError(t, err)
	root, err := install.Root()
	require.NoError(t, err)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	deploy, err := filepath.Rel(dir, filepath.Join(root, "deploy"))
	require.NoError(t, err)
	overlay := fmt.Sprintf("resources: [%s]\ncomponents: [%s/monitoring/operator, %s/monitoring/dashboards]\n", deploy, deploy, deploy)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o600))
	cmd := exec.Command(filepath.Join(folder, "kubectl"), "kustomize", dir)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	require.NoError(t, process.Run(context.WithoutCancel(t.Context()), cmd), "%s", &problems)
	objects := map[string]any{}
	for _, document := range strings.Split(out.String(), "\n---\n") {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		require.NoError(t, yaml.Unmarshal([]byte(document), &head))
		into, ok := map[string]any{
			"ServiceMonitor": &monitoringv1.ServiceMonitor{}, "PrometheusRule": &monitoringv1.PrometheusRule{},
			"Service": &corev1.Service{}, "Deployment": &appsv1.Deployment{}, "ConfigMap": &corev1.ConfigMap{},
		}[head.Kind]
		if ok {
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), into), "%s %s", head.Kind, head.Metadata.Name)
			objects[head.Kind+" "+head.Metadata.Name] = into
		}
	}
	return objects
}

func TestTheServiceMonitorFindsTheMetricsOfBothPrograms(t *testing.T) {
	objects := built(t)
	monitor := objects["ServiceMonitor sartor"].(*monitoringv1.ServiceMonitor)
	require.Len(t, monitor.Spec.Endpoints, 1)
	require.True(t, monitor.Spec.Endpoints[0].HonorLabels, "or namespace and container would be the program's own")
	found := map[string]string{}
	for _, object := range objects {
		service, ok := object.(*corev1.Service)
		if !ok || service.Namespace != monitor.Namespace || !contains(service.Labels, monitor.Spec.Selector.MatchLabels) {
			continue
		}
		for _, port := range service.Spec.Ports {
			if port.Name != monitor.Spec.Endpoints[0].Port {
				continue
			}
			require.True(t, service.Spec.PublishNotReadyAddresses, "alerts go by what those say that are not ready")
			deployment := objects["Deployment "+service.Spec.Selector["app.kubernetes.io/name"]].(*appsv1.Deployment)
			require.True(t, contains(deployment.Spec.Template.Labels, service.Spec.Selector))
			ports := deployment.Spec.Template.Spec.Containers[0].Ports
			require.Equal(t, port.TargetPort.StrVal, ports[len(ports)-1].Name)
			require.Equal(t, port.Port, ports[len(ports)-1].ContainerPort)
			found[deployment.Name] = service.Labels[monitor.Spec.JobLabel]
		}
	}
	require.Equal(t, map[string]string{"sartor-recommender": "sartor-recommender", "sartor-admission": "sartor-admission"}, found, "jobs, by Deployment")
}

func contains(labels, some map[string]string) bool {
	for name, value := range some {
		if labels[name] != value {
			return false
		}
	}
	return len(some) > 0
}

func TestTheOperatorTakesTheRulesAndGrafanaFindsTheDashboards(t *testing.T) {
	objects := built(t)
	require.NotEmpty(t, objects["PrometheusRule sartor"].(*monitoringv1.PrometheusRule).Spec.Groups)
	dashboards := objects["ConfigMap sartor-dashboards"].(*corev1.ConfigMap)
	require.Equal(t, "1", dashboards.Labels["grafana_dashboard"])
	require.Len(t, dashboards.Data, 2)
}
