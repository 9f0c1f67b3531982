package cluster_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/sartor-vpa/sartor/e2e/cluster"
)

// TestMain lets this program also be a driver that starts a cluster and holds it until it is ended.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "drive" {
		os.Exit(drive(os.Args[2]))
	}
	os.Exit(m.Run())
}

func drive(name string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Name: name, Progress: os.Stdout})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	<-ctx.Done()
	if err := c.Stop(); err != nil {
		fmt.Println(err)
		return 2
	}
	return 0
}
