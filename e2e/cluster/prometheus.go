package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
)

// PrometheusURL is where Prometheus answers, as http://127.0.0.1:PORT; "" without one.
func (c *Cluster) PrometheusURL() string {
	if c.options.Prometheus == nil {
		return ""
	}
	address, err := c.address("prometheus")
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
// the simulated nodes from now on.
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
	address, err := c.address(name)
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

// writePrometheusConfig writes what to scrape: each simulated node, which is one path at KWOK's
// address. Its series bring their namespace, pod and container; the target adds env.
func (c *Cluster) writePrometheusConfig(name string, o Prometheus) (string, error) {
	type object = map[string]any
	global := object{"scrape_interval": "15s", "scrape_timeout": "10s"}
	if len(o.ExternalLabels) > 0 {
		global["external_labels"] = o.ExternalLabels
	}
	config := object{"global": global}
	if env := o.Env; env != "" {
		kwok, err := c.address("kwok")
		if err != nil {
			return "", err
		}
		var nodes []object
		for i := range c.options.Nodes {
			nodes = append(nodes, object{
				"targets": []string{kwok},
				"labels": object{
					"__metrics_path__": "/metrics/nodes/" + nodeName(i) + "/metrics/cadvisor",
					"node":             nodeName(i), "env": env,
				},
			})
		}
		config["scrape_configs"] = []object{{
			"job_name": "kubernetes-cadvisor", "scheme": "https",
			"tls_config":     object{"ca_file": c.pki("ca.crt")},
			"static_configs": nodes,
		}}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("encode Prometheus' configuration: %w", err)
	}
	path := c.file(name + ".yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("write Prometheus' configuration: %w", err)
	}
	return path, nil
}
