// Command benchcluster runs upstream's recommender and ours, one after the other, on the same simulated cluster with
// thousands of VPAs, and compares what a loop costs: time, processor, memory, and writes to the API server.
//
//	benchcluster [-vpas 2000] [-replicas 5] [-loops 3] [-interval 1m] [-only upstream|sartor]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/pkg/sidebyside"
)

// options are the flags.
type options struct {
	vpas     int           // each with a Deployment of its own
	replicas int           // pods of a Deployment, of two containers each
	loops    int           // of each recommender; the first stands apart
	interval time.Duration // between the beginnings of two loops
	only     string        // name of the one side to run; "" for both
}

func (o *options) pods() int { return o.vpas * o.replicas }

func main() {
	var o options
	flag.IntVar(&o.vpas, "vpas", 2000, "VPAs, each with a Deployment of its own")
	flag.IntVar(&o.replicas, "replicas", 5, "pods of a Deployment, of two containers each")
	flag.IntVar(&o.loops, "loops", 3, "loops of each recommender, 2 at least: the first stands apart")
	flag.DurationVar(&o.interval, "interval", time.Minute, "--recommender-interval of both")
	flag.StringVar(&o.only, "only", "", "run one side: upstream or sartor")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchcluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.vpas < 1 || o.replicas < 1 || o.loops < 2 {
		return fmt.Errorf("-vpas=%d -replicas=%d -loops=%d: at least 1, 1 and 2", o.vpas, o.replicas, o.loops)
	}
	const perNode = 250 // KWOK's nodes cost by the node more than by the pod
	c, err := cluster.Start(ctx, cluster.Options{
		Name: "bench", Nodes: o.pods()/perNode + 2, PodsPerNode: perNode,
		MetricResolution: 30 * time.Second, Progress: os.Stdout,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	b, err := newBench(ctx, c, o)
	if err != nil {
		return err
	}
	if err := b.load(ctx); err != nil {
		return err
	}
	runs, err := b.runs(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d VPAs, %d pods of 2 containers, --recommender-interval=%s, %d loops each, on %s,\n"+
		"which the whole cluster shares: trust CPU time, bytes and counts, not the wall clock.\n\n",
		o.vpas, o.pods(), o.interval, o.loops, sidebyside.Machine())
	report(os.Stdout, runs[ourSide], runs[upstreamSide])
	return nil
}
