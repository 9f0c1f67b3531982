package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

func title(s string) {
	fmt.Printf("\n\033[1m== %s ==\033[0m\n\n", s)
}

// declared is the first screen: the services as their developers guessed them.
func (d *demo) declared(ctx context.Context) error {
	title("1. What the developers declared")
	if err := d.story.Deploy(ctx); err != nil {
		return err
	}
	printPods(d.story.Before)
	return nil
}

// history is the second: what Prometheus knows, of this environment and of the other.
func (d *demo) history(ctx context.Context) error {
	title("2. What Prometheus knows of them: two environments, the same names")
	fmt.Println("The container shop of the Deployment shop in the last 8 days, by the label env:")
	fmt.Println()
	cpu, err := d.byEnv(ctx, `max by (env) (quantile_over_time(0.9, rate(container_cpu_usage_seconds_total{namespace="store",container="shop"}[2m])[8d:5m]))`)
	if err != nil {
		return err
	}
	memory, err := d.byEnv(ctx, `max by (env) (max_over_time(container_memory_working_set_bytes{namespace="store",container="shop"}[8d]))`)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "ENV\tCPU P90 OF THE BUSIEST POD\tLARGEST MEMORY")
	for _, env := range []string{"prod", "dev"} {
		fmt.Fprintf(w, "%s\t%.2f cores\t%.0fMi\n", env, cpu[env], memory[env]/(1<<20))
	}
	w.Flush()
	d.prod = usage{cores: cpu[story.Environment], bytes: memory[story.Environment]}
	fmt.Println("\nThis cluster is prod: the recommender runs with --prometheus-env-label=env and K8S_ENVIRONMENT=prod.")
	return nil
}

// recommended is the third: what people read.
func (d *demo) recommended(ctx context.Context) error {
	title("3. kubectl describe vpa shop shop-rc")
	if err := d.story.Recommend(ctx); err != nil {
		return err
	}
	out, err := d.cluster.Kubectl(ctx, "", "-n", story.Namespace, "describe", "vpa", story.Stable, story.Candidate)
	if err != nil {
		return err
	}
	fmt.Println(out)
	return nil
}

// renewed is the last: pods as they are created from now on.
func (d *demo) renewed(ctx context.Context) error {
	title("4. kubectl rollout restart deployment shop shop-rc: the new pods")
	if err := d.story.Renew(ctx); err != nil {
		return err
	}
	fmt.Println("Before:")
	printPods(d.story.Before)
	fmt.Println("\nAfter:")
	printPods(d.story.After)
	return nil
}

func printPods(pods []corev1.Pod) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "POD\tCONTAINER\tCPU REQUEST\tCPU LIMIT\tMEMORY REQUEST\tMEMORY LIMIT")
	for _, p := range pods {
		for _, c := range p.Spec.Containers {
			r := c.Resources
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, c.Name,
				cpu(r.Requests), cpu(r.Limits), memory(r.Requests), memory(r.Limits))
		}
	}
	w.Flush()
}

func cpu(l corev1.ResourceList) string {
	if q, ok := l[corev1.ResourceCPU]; ok {
		return q.String()
	}
	return "-"
}

func memory(l corev1.ResourceList) string {
	if q, ok := l[corev1.ResourceMemory]; ok {
		return fmt.Sprintf("%.0fMi", float64(q.Value())/(1<<20))
	}
	return "-"
}

// byEnv evaluates a query that gives one value for each environment.
func (d *demo) byEnv(ctx context.Context, query string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.cluster.PrometheusURL()+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("query %s: %s", query, answer.Error)
	}
	values := map[string]float64{}
	for _, r := range answer.Data.Result {
		text, _ := r.Value[1].(string)
		if values[r.Metric["env"]], err = strconv.ParseFloat(text, 64); err != nil {
			return nil, fmt.Errorf("query %s: %w", query, err)
		}
	}
	return values, nil
}

// invite says how to go on in a cluster that stays.
func (d *demo) invite() {
	title("It stays up: try it")
	hello := "e2e/story/hello.yaml"
	if root, err := install.Root(); err == nil {
		hello = filepath.Join(root, hello)
	}
	lines := []string{
		"export KUBECONFIG=" + d.cluster.Kubeconfig(),
		"export PATH=" + filepath.Dir(d.cluster.KubectlPath()) + ":$PATH   # if you have no kubectl",
		"",
		"kubectl -n store get vpa",
		"kubectl -n store describe vpa shop",
		"kubectl -n store top pods",
		"kubectl apply -f " + hello + "     # a service of your own: see what is in it",
		"kubectl describe vpa hello          # after some 30 s, when it has been measured",
		"kubectl rollout restart deployment hello && kubectl get pods -l app=hello -o yaml | grep -A6 resources:",
		"",
		"Prometheus: " + d.cluster.PrometheusURL() + "   Recommender: " + d.sartor.RecommenderURL + "/metrics   Logs: " + d.cluster.LogDir(),
		"make demo-down removes all of it.",
	}
	fmt.Println(strings.Join(slices.Clip(lines), "\n"))
}
