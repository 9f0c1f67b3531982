package cluster

import (
	"context"
	_ "embed"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

//go:embed metricsserver.yaml
var metricsServerManifest string

// The Service of metrics-server, which is a process. Endpoints may not hold loopback addresses; an external name may be
// localhost. The node's address they may hold, and there external names are not followed.
const (
	metricsAtLoopback = `apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost, ports: [{name: https, port: $PORT}]}`
	metricsAtNode = `apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {ports: [{name: https, port: $PORT}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: metrics-server, namespace: kube-system, labels: {kubernetes.io/service-name: metrics-server}}
addressType: IPv4
endpoints: [{addresses: [$HOST], conditions: {ready: true}}]
ports: [{name: https, port: $PORT}]`
)

// readyLimit is for what only waits for programs that are ready themselves.
const readyLimit = 30 * time.Second

// startMetricsServer starts metrics-server and returns when the API server serves metrics.k8s.io
// through it. The first usage shows two metric resolutions after a pod has begun to run.
func (c *Cluster) startMetricsServer(ctx context.Context) error {
	port, err := c.Port("metrics-server")
	if err != nil {
		return err
	}
	values := map[string]string{"PORT": strconv.Itoa(port), "CA": base64.StdEncoding.EncodeToString(c.caPEM), "HOST": c.host()}
	fill := func(text string) string { return os.Expand(text, func(name string) string { return values[name] }) }
	values["SERVICE"] = fill(metricsAtLoopback)
	if c.options.Node != nil {
		values["SERVICE"] = fill(metricsAtNode)
	}
	manifest := fill(metricsServerManifest)
	if err := c.create(ctx, manifest); err != nil {
		return err
	}
	config := c.kubeconfigPath("metrics-server")
	resolution := c.options.MetricResolution
	if err := c.start(ctx, Program{
		Name: "metrics-server",
		Args: []string{
			"--bind-address=" + c.host(), "--secure-port=" + strconv.Itoa(port),
			"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--tls-cert-file=" + c.pki("metrics-server.crt"), "--tls-private-key-file=" + c.pki("metrics-server.key"),
			"--kubelet-certificate-authority=" + c.pki("ca.crt"),
			"--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port",
			"--metric-resolution=" + resolution.String(),
			"--kubelet-request-timeout=" + (resolution / 2).String(), // it insists on less than the resolution
		},
		Ready:        httpOK("https://" + c.host() + ":" + strconv.Itoa(port) + "/livez"),
		ReadyTimeout: time.Minute,
	}); err != nil {
		return err
	}
	if err := eventually(ctx, "metrics.k8s.io", readyLimit, func(ctx context.Context) error {
		return c.client.Discovery().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1").Do(ctx).Error()
	}); err != nil {
		return err
	}
	c.say("metrics-server ready")
	return nil
}

// create creates the objects of a manifest of our own, in their order. A few typed paths are all
// that it knows: kubectl takes a second to learn them from the server.
func (c *Cluster) create(ctx context.Context, manifest string) error {
	collections := map[string]string{
		"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
		"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		"RoleBinding":        "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings",
		"Service":            "/api/v1/namespaces/kube-system/services",
		"EndpointSlice":      "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices",
		"APIService":         "/apis/apiregistration.k8s.io/v1/apiservices",
	}
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			return fmt.Errorf("read own manifest: %w", err)
		}
		body, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			return fmt.Errorf("read own manifest: %w", err)
		}
		err = c.client.Discovery().RESTClient().Post().AbsPath(collections[kind.Kind]).
			SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error()
		if err != nil {
			return fmt.Errorf("create %s for metrics-server: %w", kind.Kind, err)
		}
	}
	return nil
}
