package cluster

import (
	"fmt"
	"os"
	"regexp"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster/realnode"
)

// object is a piece of a configuration file.
type object = map[string]any

// defaultScrapes is the time between two scrapes.
const defaultScrapes = 15 * time.Second

// KubeletJob is the label job of what is scraped from the real node, by which it is told from what was recorded.
const KubeletJob = "real-kubelet"

// kubeletPort is where a kubelet serves its metrics, among them those of its cAdvisor.
const kubeletPort = "10250"

// writePrometheusConfig writes what Prometheus is to scrape, and returns the file.
func (c *Cluster) writePrometheusConfig(name string, o Prometheus) (string, error) {
	interval := o.Interval
	if interval == 0 {
		interval = defaultScrapes
	}
	global := object{"scrape_interval": seconds(interval), "scrape_timeout": seconds(min(interval, 10*time.Second))}
	if len(o.ExternalLabels) > 0 {
		global["external_labels"] = o.ExternalLabels
	}
	config := object{"global": global}
	if o.Env != "" {
		jobs, err := c.scrapeJobs(o)
		if err != nil {
			return "", err
		}
		config["scrape_configs"] = jobs
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

// scrapeJobs are one for all simulated nodes, one for the real node, and one for each disguise. Series bring their
// namespace, pod and container; targets add env and node.
func (c *Cluster) scrapeJobs(o Prometheus) ([]object, error) {
	var jobs []object
	if c.options.Nodes > 0 {
		job, err := c.simulatedJob(o.Env)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	if c.options.Node == nil {
		return jobs, nil
	}
	own := c.kubeletJob(KubeletJob, o.Env)
	var disguised []object
	jobs = append(jobs, own)
	for i, d := range o.Disguises {
		disguised = append(disguised, object{"source_labels": []string{"namespace"}, "regex": regexp.QuoteMeta(d.Namespace), "action": "drop"})
		job := c.kubeletJob(fmt.Sprintf("disguise-%d", i), d.Env)
		job["metric_relabel_configs"] = []object{
			{"source_labels": []string{"namespace"}, "regex": regexp.QuoteMeta(d.Namespace), "action": "keep"},
			{"target_label": "namespace", "replacement": d.As},
		}
		jobs = append(jobs, job)
	}
	own["metric_relabel_configs"] = disguised
	return jobs, nil
}

// simulatedJob scrapes each simulated node, which is one path at KWOK's address.
func (c *Cluster) simulatedJob(env string) (object, error) {
	kwok, err := c.address("kwok")
	if err != nil {
		return nil, err
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
	return object{
		"job_name": "kubernetes-cadvisor", "scheme": "https",
		"tls_config":     object{"ca_file": c.pki("ca.crt")},
		"static_configs": nodes,
	}, nil
}

// kubeletJob scrapes the real node's kubelet, which lets nobody in whom the API server does not know.
func (c *Cluster) kubeletJob(name, env string) object {
	return object{
		"job_name": name, "scheme": "https", "metrics_path": "/metrics/cadvisor",
		"tls_config": object{"ca_file": c.pki("ca.crt"), "cert_file": c.pki("admin.crt"), "key_file": c.pki("admin.key")},
		"static_configs": []object{{
			"targets": []string{realnode.Address + ":" + kubeletPort},
			"labels":  object{"node": realnode.Name, "env": env},
		}},
	}
}

// seconds is a duration as Prometheus reads it.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }
