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
	if err := d.story.Check(); err != nil {
		return fmt.Errorf("the story is not true: %w", err)
	}
	fmt.Println("\nChecked: new pods request what their VPA recommends; declared limits were raised to twice that, in whole CPUs,")
	fmt.Println("and none was added; the candidate has its primary's values; the pods of before were left alone.")
	return nil
}
