package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// demo is a cluster with Sartor in it.
type demo struct {
	cluster *cluster.Cluster
	sartor  *install.Sartor
	story   *story.Story
	// prod is what Prometheus knows of shop in this environment: high CPU, and its largest memory.
	prod usage
}

type usage struct{ cores, bytes float64 }

// checkEnvironment fails if the recommendation is not of prod's usage: dev's is ten times that.
func (d *demo) checkEnvironment() error {
	vpa := d.story.VPAs[story.Stable]
	target := story.Target(&vpa, story.Stable)
	for _, c := range []struct {
		name                string
		recommended, really float64
	}{
		{"cores", target.Cpu().AsApproximateFloat64(), d.prod.cores},
		{"bytes of memory", target.Memory().AsApproximateFloat64(), d.prod.bytes},
	} {
		if c.recommended < c.really/2 || c.recommended > c.really*2 {
			return fmt.Errorf("%s is recommended %g %s, and needs about %g in %s", story.Stable, c.recommended, c.name, c.really, story.Environment)
		}
	}
	return nil
}

// start writes a week of history, starts the cluster and installs Sartor.
func start(ctx context.Context) (*demo, error) {
	title("A cluster on this machine, with 8 days of history")
	blocks, err := os.MkdirTemp("", "sartor-history-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(blocks)
	began := time.Now()
	recording := history.Recording{End: began, Workloads: history.Store()}
	stats, err := recording.Write(ctx, filepath.Join(blocks, "tsdb"))
	if err != nil {
		return nil, fmt.Errorf("write history: %w", err)
	}
	fmt.Printf("%6.1fs  8 days of usage in two environments: %d series, %.1f million samples\n",
		time.Since(began).Seconds(), stats.Series, float64(stats.Samples)/1e6)

	c, err := cluster.Start(ctx, cluster.Options{
		Name: "demo", Progress: os.Stdout,
		Prometheus: &cluster.Prometheus{Blocks: filepath.Join(blocks, "tsdb"), Env: story.Environment},
	})
	if err != nil {
		return nil, err
	}
	d := &demo{cluster: c, story: &story.Story{Cluster: c}}
	title("Sartor, installed by the manifests of deploy/")
	d.sartor, err = install.Run(ctx, c, install.Options{
		Environment: story.Environment,
		// Nobody wants to watch a demo wait for a minute.
		RecommenderArgs: []string{"--recommender-interval=10s"},
		Progress:        os.Stdout,
	})
	if err != nil {
		c.KeepLogs()
		return nil, errors.Join(fmt.Errorf("%w (logs: %s)", err, c.LogDir()), c.Stop())
	}
	return d, nil
}

// tell shows the story, screen by screen, and fails if it is not true.
func (d *demo) tell(ctx context.Context) error {
	for _, screen := range []func(context.Context) error{d.declared, d.history, d.recommended, d.renewed} {
		if err := screen(ctx); err != nil {
			d.cluster.KeepLogs()
			return fmt.Errorf("%w (logs: %s)", err, d.cluster.LogDir())
		}
	}
	if err := errors.Join(d.story.Check(), d.checkEnvironment()); err != nil {
		return fmt.Errorf("the story is not true: %w", err)
	}
	fmt.Println(`
Checked: what is recommended is what prod uses, and dev's ten times that is not in it; new pods request what their
VPA recommends; declared limits were raised to twice that, in whole CPUs, and none was added; the candidate has its
primary's values; the pods that were running were left alone.`)
	return nil
}
