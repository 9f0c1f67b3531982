// Package node tests Sartor on a real node: a kubelet and containerd that run both programs as pods, installed by deploy/,
// beside pods that really use processors and memory, are scraped by a real Prometheus, evicted by upstream's updater, and
// killed for want of memory.
package node

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/cluster/realnode"
	"github.com/sartor-vpa/sartor/e2e/cluster/runs"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/images"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// archivesVariable has the folder with the images.
const archivesVariable = "SARTOR_NODE_IMAGES"

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run()) // which starts nothing
	}
	var built *runs.Folder
	status := realnode.Main(func(ctx context.Context) (env []string, err error) {
		built, err = prepare(ctx)
		if err != nil {
			return nil, err
		}
		return []string{archivesVariable + "=" + built.Path}, nil
	}, m.Run)
	if built != nil {
		if err := built.Remove(false); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = max(status, 1)
		}
	}
	os.Exit(status)
}

// prepare makes everything for which the machine's network may be needed: inside there is none.
func prepare(ctx context.Context) (*runs.Folder, error) {
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	for _, fetch := range []func(context.Context, programs.Say) (string, error){programs.Kubernetes, programs.Prometheus, programs.Upstream, programs.Node} {
		if _, err := fetch(ctx, say); err != nil {
			return nil, err
		}
	}
	root, err := install.Root()
	if err != nil {
		return nil, err
	}
	folder, err := runs.Create(ctx, "images")
	if err != nil {
		return nil, err
	}
	say("building images of the programs")
	if _, err := images.Build(ctx, root, folder.Path); err != nil {
		return nil, err
	}
	return folder, nil
}

// required is the value of SARTOR_REAL_NODE with which a machine that can run no node fails the tests.
const required = "required"

// start starts a cluster with a real node and with that past in its Prometheus, and stops it with the test. Where there can be none, the test is skipped with
// the reason.
func start(t *testing.T, recording history.Recording) *cluster.Cluster {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	if err := realnode.Missing(); err != nil {
		require.NotEqual(t, required, os.Getenv("SARTOR_REAL_NODE"), err.Error())
		t.Skip(err)
	}
	archives, err := filepath.Glob(filepath.Join(os.Getenv(archivesVariable), "*.tar"))
	require.NoError(t, err)
	blocks := t.TempDir() + "/tsdb"
	_, err = recording.Write(t.Context(), blocks)
	require.NoError(t, err)
	c, err := cluster.Start(t.Context(), cluster.Options{
		Name: "node", Progress: t.Output(),
		Node: &cluster.Node{Images: archives, Pause: images.Pause.String()},
		Prometheus: &cluster.Prometheus{
			Blocks: blocks, Env: story.Environment, Interval: 5 * time.Second,
			Disguises: []cluster.Disguise{{Namespace: "store-of-dev", Env: "dev", As: story.Namespace}},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			c.KeepLogs()
			keepPods(t, c)
			t.Logf("logs are in %s", c.LogDir())
		}
		require.NoError(t, c.Stop())
	})
	return c
}

// keepPods puts what the programs wrote, and what happened to pods, to the other logs: they are gone with the node.
func keepPods(t *testing.T, c *cluster.Cluster) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	for name, args := range map[string][]string{
		"sartor-pods.log": {"--namespace=" + install.Namespace, "logs", "--selector=app.kubernetes.io/part-of=sartor", "--prefix", "--tail=-1"},
		"pods.yaml":       {"get", "pods", "--all-namespaces", "--output=yaml"},
		"vpas.yaml":       {"get", "vpa", "--all-namespaces", "--output=yaml"},
		"events.txt":      {"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
	} {
		out, err := c.Kubectl(ctx, "", args...)
		if err == nil {
			err = os.WriteFile(filepath.Join(c.LogDir(), name), []byte(out), 0o600)
		}
		if err != nil {
			t.Log(err)
		}
	}
}
