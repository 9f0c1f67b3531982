package cluster

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
)

//go:embed kwok.yaml
var kwokConfig []byte

// simulated is the label of every simulated node, and the annotation by which KWOK takes it as its own.
const simulated = "kwok.x-k8s.io/node"

// startNodes starts KWOK and creates its nodes, and returns when they are Ready.
func (c *Cluster) startNodes(ctx context.Context) error {
	if c.options.Nodes == 0 {
		return nil
	}
	if err := together(ctx, c.startKwok, c.createNodes); err != nil {
		return err
	}
	if err := eventually(ctx, "the simulated nodes to be Ready", readyLimit, c.nodesReady); err != nil {
		return err
	}
	c.say("%d simulated nodes ready", c.options.Nodes)
	return nil
}

func (c *Cluster) startKwok(ctx context.Context) error {
	port, err := c.Port("kwok")
	if err != nil {
		return err
	}
	// One file with everything: KWOK could read it from custom resources too, but then these had to
	// be made and established first, and would lie about in the cluster.
	stages, err := os.ReadFile(filepath.Join(c.programs, programs.Stages))
	if err != nil {
		return fmt.Errorf("read KWOK's stages (remove %s to have it built anew): %w", c.programs, err)
	}
	config := c.file("kwok.yaml")
	if err := os.WriteFile(config, bytes.Join([][]byte{kwokConfig, stages}, []byte("\n")), 0o600); err != nil {
		return fmt.Errorf("write KWOK's configuration: %w", err)
	}
	return c.start(ctx, Program{
		Name: "kwok",
		Args: []string{
			"--kubeconfig=" + c.kubeconfigPath("kwok"), "--config=" + config,
			"--node-ip=127.0.0.1", "--node-port=" + strconv.Itoa(port), "--server-address=127.0.0.1:" + strconv.Itoa(port),
			"--tls-cert-file=" + c.pki("kwok.crt"), "--tls-private-key-file=" + c.pki("kwok.key"),
			"--cidr=10.245.0.0/16", "--manage-nodes-with-annotation-selector=" + simulated + "=fake",
		},
		Ready: httpOK("https://127.0.0.1:" + strconv.Itoa(port) + "/healthz"),
	})
}

// createNodes makes the node objects, some at a time.
func (c *Cluster) createNodes(ctx context.Context) error {
	const parallel = 8
	steps := make([]func(context.Context) error, parallel)
	for first := range parallel {
		steps[first] = func(ctx context.Context) error {
			for i := first; i < c.options.Nodes; i += parallel {
				if _, err := c.client.CoreV1().Nodes().Create(ctx, newNode(i, c.options.PodsPerNode), metav1.CreateOptions{}); err != nil {
					return fmt.Errorf("create simulated node: %w", err)
				}
			}
			return nil
		}
	}
	return together(ctx, steps...)
}

// nodeName is the name of the i-th simulated node, from 0.
func nodeName(i int) string { return "sim-" + strconv.Itoa(i+1) }

func newNode(i, pods int) *corev1.Node {
	name := nodeName(i)
	room := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("32"),
		corev1.ResourceMemory: resource.MustParse("256Gi"),
		corev1.ResourcePods:   *resource.NewQuantity(int64(pods), resource.DecimalSI),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				simulated: "fake", corev1.LabelHostname: name,
				corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
			},
			Annotations: map[string]string{
				simulated: "fake",
				// Tells metrics-server: all nodes are served at one address, each under a path.
				"metrics.k8s.io/resource-metrics-path": "/metrics/nodes/" + name + "/metrics/resource",
			},
		},
		Status: corev1.NodeStatus{Capacity: room, Allocatable: room},
	}
}

// nodesReady is nil when every simulated node is Ready and may be scheduled to.
func (c *Cluster) nodesReady(ctx context.Context) error {
	nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: simulated})
	if err != nil {
		return err
	}
	usable := 0
	for _, n := range nodes.Items {
		for _, condition := range n.Status.Conditions {
			// The taint is the controller manager's, and goes a moment after the node is Ready.
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue && len(n.Spec.Taints) == 0 {
				usable++
			}
		}
	}
	if usable < c.options.Nodes {
		return fmt.Errorf("%d of %d are", usable, c.options.Nodes)
	}
	return nil
}
