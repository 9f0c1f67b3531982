// Command demo shows Sartor's main job on a real Kubernetes control plane on this machine.
//
//	demo run    start a cluster, tell the story, take everything down again
//	demo up     the same, but leave it running in the background
//	demo down   take down what demo up left
//	demo build  only build what a cluster runs, into the cache
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/detach"
)

// background is the name under which demo up runs.
const background = "demo"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: demo run|up|down|build")
	}
	switch args[0] {
	case "run":
		return run(ctx)
	case "up":
		if pid, running := detach.Running(background); running {
			return fmt.Errorf("a demo is running already (pid %d): take it down with make demo-down", pid)
		}
		return detach.Start(ctx, background, []string{"serve"}, os.Stdout)
	case "serve": // what demo up leaves running
		return serve(ctx)
	case "down":
		return down(ctx)
	case "build":
		return cluster.Build(ctx, os.Stdout)
	}
	return fmt.Errorf("unknown command %q: it is one of run, up, down and build", args[0])
}

func run(ctx context.Context) error {
	d, err := start(ctx)
	if err != nil {
		return err
	}
	return errors.Join(d.tell(ctx), d.cluster.Stop())
}

// serve is run that stays, once the story has been told, until it is told to end.
func serve(ctx context.Context) error {
	d, err := start(ctx)
	if err != nil {
		return err
	}
	if err := d.stay(ctx); err != nil {
		return errors.Join(err, d.cluster.Stop())
	}
	return d.cluster.Stop()
}

func (d *demo) stay(ctx context.Context) error {
	if err := d.tell(ctx); err != nil {
		return err
	}
	d.invite()
	if err := detach.Ready(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-d.cluster.Done():
		return d.cluster.Err()
	}
}

func down(ctx context.Context) error {
	if _, running := detach.Running(background); !running {
		fmt.Println("No demo is running.")
		return nil
	}
	if err := detach.Stop(ctx, background); err != nil {
		return err
	}
	fmt.Println("The demo is down, and nothing of it is left but the programs in the cache.")
	return nil
}
