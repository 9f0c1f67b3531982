package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
)

// PrometheusURL is where Prometheus answers, as http://127.0.0.1:PORT, or with a real node at the node's address, where
// pods reach it, too; "" without one.
func (c *Cluster) PrometheusURL() string {
	if c.options.Prometheus == nil {
		return ""
	}
	address, err := c.reachable("prometheus")
	if err != nil {
		return "" // cannot be: Start got this port
	}
	return "http://" + address
}

// StartPrometheus starts one more Prometheus beside the cluster's own, as the process name, and returns
// it and where it answers. A name that was used before starts again, at the same address, with what it had:
// o.Blocks is taken the first time only.
func (c *Cluster) StartPrometheus(ctx context.Context, name string, o Prometheus) (*Process, string, error) {
	path, err := programs.Prometheus(ctx, c.say)
	if err != nil {
		return nil, "", err
	}
	program, url, err := c.prometheus(name, path, o)
	if err != nil {
		return nil, "", fmt.Errorf("start %s: %w", name, err)
	}
	p, err := c.StartProcess(ctx, program)
	return p, url, err
}

// startPrometheus runs the server at path, if one is wanted, on the blocks given, and lets it scrape
// the nodes from now on.
func (c *Cluster) startPrometheus(ctx context.Context, path string) error {
	o := c.options.Prometheus
	if o == nil {
		return nil
	}
	program, _, err := c.prometheus("prometheus", path, *o)
	if err != nil {
		return err
	}
	if err := c.start(ctx, program); err != nil {
		return err
	}
	c.say("Prometheus ready (%s)", filepath.Base(filepath.Dir(path)))
	return nil
}

// prometheus prepares the server at path to run under a name, on the blocks given, and says where it answers.
func (c *Cluster) prometheus(name, path string, o Prometheus) (Program, string, error) {
	data := c.file(name)
	if err := os.Mkdir(data, 0o700); err == nil {
		if err := takeBlocks(o.Blocks, data, o.Env != ""); err != nil {
			return Program{}, "", err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return Program{}, "", fmt.Errorf("make Prometheus' data folder: %w", err)
	}
	config, err := c.writePrometheusConfig(name, o)
	if err != nil {
		return Program{}, "", err
	}
	address, err := c.reachable(name)
	if err != nil {
		return Program{}, "", err
	}
	return Program{
		Name: name, Path: path,
		Args: append([]string{
			"--config.file=" + config, "--web.listen-address=" + address, "--log.level=warn",
			"--storage.tsdb.path=" + data, "--storage.tsdb.retention.time=60d",
			// As long as each other: blocks are never merged, which for days of history would take the
			// processors just when the rest starts.
			"--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h",
		}, o.Args...),
		Ready:        httpOK("http://" + address + "/-/ready"),
		ReadyTimeout: time.Minute,
	}, "http://" + address, nil
}
