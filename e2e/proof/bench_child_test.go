package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/go-logr/logr"

	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// runChild does a task and tells what it cost, once it holds all that was read.
func runChild(text string, out io.Writer) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return fmt.Errorf("-child=%s: %w", text, err)
	}
	workloads := prod(history.Fleet(t.Containers, fleetSeed))
	began := time.Now()
	c := cost{Way: t.Way}
	held, err := t.read(workloads, &c)
	if err != nil {
		c.Failure = err.Error()
	}
	c.Wall = time.Since(began)
	spent, err := measure.Read(os.Getpid())
	if err != nil {
		return err
	}
	c.CPU, c.Peak = spent.CPU, spent.Peak
	runtime.KeepAlive(held)
	return json.NewEncoder(out).Encode(c)
}

// read reads all workloads' history and returns what holds it.
func (t task) read(workloads []history.Workload, c *cost) (held any, err error) {
	if t.Way == upstreamWay {
		return t.readUpstream(workloads, c)
	}
	return t.readOurs(workloads, c)
}

func (t task) readOurs(workloads []history.Workload, c *cost) (any, error) {
	answers, err := reading{url: t.URL, from: t.From, to: t.To}.load(context.Background(), workloads, logr.Discard())
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		c.Containers += a.Usage.Len()
		c.Samples += a.Progress.Samples + a.Progress.Peaks
	}
	return answers, nil
}

func (t task) readUpstream(workloads []history.Workload, c *cost) (any, error) {
	config := upstreamConfig(t.URL)
	// Upstream knows no filter. It is given one, so that it does not have to read twice as much as ours: the job's
	// name goes into its queries as it is.
	config.CadvisorMetricsJobName += `", env="` + environment
	config.PodLabelsMetricName = `kube_pod_labels{env="` + environment + `"}[8d]`
	l, err := loadUpstream(config, workloads)
	if err != nil {
		return nil, err
	}
	c.Samples = l.samples
	for _, w := range workloads {
		found, err := l.estimates(w)
		if err != nil {
			return nil, err
		}
		c.Containers += len(found)
	}
	return l, nil
}
