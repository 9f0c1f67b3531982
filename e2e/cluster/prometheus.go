package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"
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

// startPrometheus runs the server at path, if one is wanted, on the blocks given, and lets it scrape
// the simulated nodes from now on.
func (c *Cluster) startPrometheus(ctx context.Context, path string) error {
	o := c.options.Prometheus
	if o == nil {
		return nil
	}
	data := c.file("prometheus")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("make Prometheus' data folder: %w", err)
	}
	if err := takeBlocks(o.Blocks, data, o.Env != ""); err != nil {
		return err
	}
	config, err := c.writePrometheusConfig()
	if err != nil {
		return err
	}
	address, err := c.address("prometheus")
	if err != nil {
		return err
	}
	if err := c.start(ctx, Program{
		Name: "prometheus", Path: path,
		Args: []string{
			"--config.file=" + config, "--web.listen-address=" + address, "--log.level=warn",
			"--storage.tsdb.path=" + data, "--storage.tsdb.retention.time=60d",
			// As long as each other: blocks are never merged, which for days of history would take the
			// processors just when the rest starts.
			"--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h",
		},
		Ready:        httpOK("http://" + address + "/-/ready"),
		ReadyTimeout: time.Minute,
	}); err != nil {
		return err
	}
	c.say("Prometheus ready (%s)", filepath.Base(filepath.Dir(path)))
	return nil
}

// writePrometheusConfig writes what to scrape: each simulated node, which is one path at KWOK's
// address. Its series bring their namespace, pod and container; the target adds env.
func (c *Cluster) writePrometheusConfig() (string, error) {
	type object = map[string]any
	config := object{"global": object{"scrape_interval": "15s", "scrape_timeout": "10s"}}
	if env := c.options.Prometheus.Env; env != "" {
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
	path := c.file("prometheus.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("write Prometheus' configuration: %w", err)
	}
	return path, nil
}
