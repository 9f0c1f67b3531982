package cluster

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/cluster/realnode"
)

// Node says what a cluster's real node begins with. It runs a kubelet and containerd, whose pods are real, so that the
// process has to be one that realnode.Main has put into namespaces of its own; these take one such cluster.
type Node struct {
	Images []string // archives, of which containerd takes all images that they hold
	Pause  string   // the image, among them, that holds a pod's namespaces
}

// servicePort is where the API server listens that pods reach at its Service's address, without a proxy.
const servicePort = 443

//go:embed containerd.toml
var containerdConfig string

//go:embed kubelet.yaml
var kubeletConfig string

//go:embed cni.conflist
var networkConfig string

// fetchNode makes sure that the node's programs are there.
func (c *Cluster) fetchNode(ctx context.Context) error {
	if c.options.Node == nil {
		return nil
	}
	if !realnode.Inside() {
		return errors.New("a real node runs only inside of namespaces of its own: see realnode.Main")
	}
	var err error
	c.nodePrograms, err = programs.Node(ctx, c.say)
	return err
}

// startNode starts the real node, and returns when it is Ready. Containerd comes up beside the control plane.
func (c *Cluster) startNode(ctx context.Context) error {
	if c.options.Node == nil {
		return nil
	}
	// The kubelet wants it from the first moment on.
	if err := eventually(ctx, "containerd", readyLimit, c.containerdReady); err != nil {
		return err
	}
	if err := c.startKubelet(ctx); err != nil {
		return err
	}
	if err := eventually(ctx, "the node to be Ready", time.Minute, c.nodeReady); err != nil {
		return err
	}
	c.say("real node ready")
	return nil
}

// startContainerd starts containerd and gives it the images.
func (c *Cluster) startContainerd(ctx context.Context) error {
	if c.options.Node == nil {
		return nil
	}
	// These namespaces' second node would find the first one's containers.
	if err := os.Mkdir(filepath.Join(realnode.State, "containerd"), 0o700); err != nil {
		return fmt.Errorf("start containerd: %w", err)
	}
	config, err := c.writeNodeFile("containerd.toml", containerdConfig)
	if err != nil {
		return err
	}
	if _, err := c.writeNodeFile(filepath.Join("cni", "10-node.conflist"), networkConfig); err != nil {
		return err
	}
	if err := c.start(ctx, Program{
		Name: programs.Containerd, Path: filepath.Join(c.nodePrograms, programs.Containerd),
		Args:  []string{"--config", config},
		Env:   []string{"PATH=" + c.nodePrograms + ":" + os.Getenv("PATH")}, // it looks for its shim there
		Ready: c.containerdReady,
	}); err != nil {
		return err
	}
	for _, archive := range c.options.Node.Images {
		if err := c.ctr(ctx, "images", "import", archive); err != nil {
			return err
		}
	}
	c.say("containerd ready, with %d archives of images", len(c.options.Node.Images))
	return nil
}

// containerdReady is nil when containerd answers.
func (c *Cluster) containerdReady(ctx context.Context) error { return c.ctr(ctx, "version") }

// ctr runs containerd's command line among what the kubelet sees.
func (c *Cluster) ctr(ctx context.Context, args ...string) error {
	cmd := exec.Command(filepath.Join(c.nodePrograms, programs.Ctr), append([]string{"--namespace=k8s.io"}, args...)...)
	cmd.Env = process.Environ()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := process.Run(ctx, cmd); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

func (c *Cluster) startKubelet(ctx context.Context) error {
	config, err := c.writeNodeFile("kubelet.yaml", kubeletConfig)
	if err != nil {
		return err
	}
	return c.start(ctx, Program{
		Name: "kubelet",
		Args: []string{
			"--config=" + config, "--kubeconfig=" + c.kubeconfigPath("kubelet"),
			"--node-ip=" + realnode.Address, "--hostname-override=" + realnode.Name,
			"--root-dir=" + filepath.Join(realnode.State, "kubelet"), "--cert-dir=" + c.file("pki"),
		},
		Ready: httpOK("http://127.0.0.1:10248/healthz"), ReadyTimeout: time.Minute,
	})
}

// writeNodeFile writes a configuration file of the node's, filled in, and returns its path.
func (c *Cluster) writeNodeFile(name, text string) (string, error) {
	t, err := template.New(name).Parse(text)
	if err != nil {
		return "", fmt.Errorf("read own %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]string{
		"Address": realnode.Address, "State": realnode.State, "PodCIDR": realnode.PodCIDR, "PKI": c.file("pki"),
		"Programs": c.nodePrograms, "Config": c.file(), "Pause": c.options.Node.Pause,
	}); err != nil {
		return "", fmt.Errorf("fill in %s: %w", name, err)
	}
	path := c.file(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("write the node's configuration: %w", err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("write the node's configuration: %w", err)
	}
	return path, nil
}

// nodeReady is nil when pods can be scheduled to the real node.
func (c *Cluster) nodeReady(ctx context.Context) error {
	node, err := c.client.CoreV1().Nodes().Get(ctx, realnode.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status != corev1.ConditionTrue || len(node.Spec.Taints) > 0 {
			return fmt.Errorf("%s; taints %v", condition.Message, node.Spec.Taints)
		}
		return nil
	}
	return errors.New("the kubelet has not told of it yet")
}
