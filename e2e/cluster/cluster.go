// Package cluster runs a real Kubernetes control plane on this machine, for demos, tests and
// benchmarks: etcd, the API server, the controller manager, the scheduler, metrics-server and, if
// wanted, Prometheus, all as processes on loopback, without root, images or containers. Its nodes
// are simulated (KWOK), unless Options.Node asks for a real one, which needs root: their pods are
// Running at once, and each container uses what annotations on its pod say, of which the container's own win:
//
//	usage/cpu-CONTAINER, usage/memory-CONTAINER, usage/cpu, usage/memory: quantities
//	usage/noise: a share, such as 0.2, by which each reading is more or less at random
//
//	c, err := cluster.Start(ctx, cluster.Options{Progress: os.Stderr})
//	if err != nil { ... }
//	defer c.Stop()
//	out, err := c.Kubectl(ctx, manifest, "apply", "-f", "-")
//
// Nothing survives the process that called Start: its programs are killed by the kernel when it
// ends, however it ends, and the files that remain then are removed by the next Start.
//
// A Service with externalName localhost reaches a process of this machine from the API server; so
// webhooks and aggregated APIs work with the manifests' own service references.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/cluster/runs"
)

// Options says what cluster to start. The zero value is a control plane with two simulated nodes and
// metrics-server.
type Options struct {
	Name  string // begins the run folder's name, by which List shows the cluster; default "cluster"
	Nodes int    // simulated nodes of 32 cores and 256Gi each; default 2, or none beside a real one
	// PodsPerNode is how many pods a node takes; default 110.
	PodsPerNode int

	// Node is a real node, whose pods run; nil for none.
	Node *Node

	// Prometheus is nil for a cluster without one.
	Prometheus *Prometheus

	// MetricResolution is how often metrics-server reads the nodes; default 10s, which is also its
	// least. A change of usage shows in metrics.k8s.io after up to three of them.
	MetricResolution time.Duration

	// Audit lets the API server write down every write of a VPA or of a checkpoint: see Writes.
	Audit bool

	// Progress gets lines like "  3.2s  etcd and kube-apiserver ready"; nil: silent.
	Progress io.Writer
}

// Prometheus says what a cluster's Prometheus holds.
type Prometheus struct {
	// Blocks is a folder of TSDB blocks to begin with; they are linked or copied, and left as they
	// are. May be "".
	Blocks string
	// Env is the target label "env" on what is scraped from the nodes, simulated ones and a real one. With "" nothing
	// is scraped.
	Env string
	// Interval is the time between two scrapes, whole seconds; default 15s.
	Interval time.Duration
	// Disguises are namespaces of the real node that are scraped as if another cluster had them.
	Disguises []Disguise
	// ExternalLabels are on what leaves it, and on no series of its own.
	ExternalLabels map[string]string
	// Args are added to its own, such as --query.max-samples=1000.
	Args []string
}

// Disguise lets the series of a namespace look as if they came from another cluster that shares this Prometheus: their
// label env is Env, and their namespace is called As. Nothing of them has the cluster's own env.
type Disguise struct{ Namespace, Env, As string }

// Cluster is a running cluster.
type Cluster struct {
	options  Options
	programs string // folder of the programs but Prometheus
	// nodePrograms is the folder of what runs containers; "" without a real node.
	nodePrograms string
	started      time.Time
	say          func(format string, args ...any)

	folder *runs.Folder
	slot   *runs.Slot
	rest   *rest.Config
	client kubernetes.Interface
	caPEM  []byte

	// alive ends, with the reason as its cause, when a program of the cluster dies or Stop is called.
	alive context.Context
	fail  context.CancelCauseFunc

	mu        sync.Mutex
	own       []*process.Process // the cluster's programs in the order of their start
	guests    []*process.Process // what StartProcess started
	stopping  bool
	keepLogs  bool
	stop      sync.Once
	stopError error
}

// leastResolution is metrics-server's own limit.
const leastResolution = 10 * time.Second

// errStopped is why alive ends after Stop.
var errStopped = errors.New("the cluster was stopped")

// Start starts a cluster and returns when it is ready to be used. The first one on a machine builds
// the programs, for minutes. Start ends early, with everything stopped again, when ctx ends or a
// program dies; after it has returned, ctx means nothing to the cluster: Stop it.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: o, started: time.Now(), say: progress(o.Progress)}
	c.alive, c.fail = context.WithCancelCause(context.Background())
	if err := c.up(ctx); err != nil {
		if ctx.Err() == nil {
			c.KeepLogs() // the error names them
		}
		return nil, errors.Join(fmt.Errorf("start cluster: %w", err), c.Stop())
	}
	c.say("cluster ready: export KUBECONFIG=%s", c.Kubeconfig())
	return c, nil
}

// complete is o with its defaults, or what is wrong with it.
func (o Options) complete() (Options, error) {
	if o.Name == "" {
		o.Name = "cluster"
	}
	if o.Nodes == 0 && o.Node == nil {
		o.Nodes = 2
	}
	if o.PodsPerNode == 0 {
		o.PodsPerNode = 110
	}
	if o.MetricResolution == 0 {
		o.MetricResolution = leastResolution
	}
	switch {
	case o.Nodes < 0 || o.PodsPerNode < 0:
		return o, fmt.Errorf("start cluster: %d nodes of %d pods", o.Nodes, o.PodsPerNode)
	case o.MetricResolution < leastResolution:
		return o, fmt.Errorf("start cluster: metrics-server refuses a metric resolution of %s: at least %s", o.MetricResolution, leastResolution)
	}
	return o, nil
}

// Dir is the run folder, absolute. Stop removes it.
func (c *Cluster) Dir() string { return c.folder.Path }

// LogDir is the folder with each program's log, NAME.log.
func (c *Cluster) LogDir() string { return c.folder.Logs }

// KeepLogs lets the logs stay when the cluster stops, as a failed test may want. Those of the last
// few runs are kept.
func (c *Cluster) KeepLogs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepLogs = true
}

// Kubeconfig is the path of a kubeconfig with all rights.
func (c *Cluster) Kubeconfig() string { return c.kubeconfigPath("admin") }

// RESTConfig is a client configuration with all rights.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.rest) }

// Port is a loopback port of this cluster's own for name: the same name gives the same port. It is
// for programs that StartProcess starts.
func (c *Cluster) Port(name string) (int, error) {
	if name == apiServer && c.options.Node != nil {
		return servicePort, nil
	}
	return c.slot.Port(name)
}

// Done is closed when a program of the cluster has died, or Stop was called: Err says which.
func (c *Cluster) Done() <-chan struct{} { return c.alive.Done() }

// Err is nil while the cluster runs.
func (c *Cluster) Err() error { return context.Cause(c.alive) }

// List names the clusters that run now, of this user's cache.
func List() ([]string, error) { return runs.List() }

// file is a path in the run folder.
func (c *Cluster) file(elements ...string) string {
	return filepath.Join(append([]string{c.folder.Path}, elements...)...)
}
