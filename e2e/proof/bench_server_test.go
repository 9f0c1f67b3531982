package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// ways are the readings that are compared, upstream's first.
func ways() []string { return []string{upstreamWay, remoteWay, rangeWay} }

const (
	upstreamWay = "upstream"
	remoteWay   = "remote read"
	rangeWay    = "query_range"
)

// measure reads the fleet of so many containers in each way, each in a process of its own, from a server that was just
// started.
func (b *bench) measure(ctx context.Context, containers int) ([]cost, error) {
	data, err := b.fleet(ctx, containers)
	if err != nil {
		return nil, err
	}
	if err := touch(data.dir); err != nil {
		return nil, err
	}
	var all []cost
	for _, way := range ways() {
		c, err := b.read(ctx, data, way)
		if err != nil {
			return nil, fmt.Errorf("%d containers, %s: %w", containers, way, err)
		}
		if c.Failure != "" {
			b.say("%d containers, %s: FAILED: %s", containers, way, c.Failure)
		} else {
			b.say("%d containers, %s: %.1f s", containers, way, c.Wall.Seconds())
		}
		all = append(all, c)
	}
	return all, nil
}

// read has one way measured.
func (b *bench) read(ctx context.Context, data fleetData, way string) (c cost, err error) {
	scratch, err := os.MkdirTemp("", "bench-history-")
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	p, err := startPrometheus(ctx, b.prometheus, data.dir, scratch)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	if err := ready(ctx, p.url+"/debug/pprof/heap?gc=1"); err != nil { // that it answers says that garbage is collected
		return c, err
	}
	before, err := p.reading(ctx)
	if err != nil {
		return c, err
	}
	url := p.url
	if way == rangeWay {
		proxy, err := queriesOnly(url)
		if err != nil {
			return c, err
		}
		defer proxy.Close()
		url = proxy.URL
	}
	polling, stop := context.WithCancel(ctx)
	peak := p.pollHeap(polling)
	c, err = runReader(ctx, task{Way: way, URL: url, Containers: data.containers, From: data.from, To: data.to})
	stop()
	most := <-peak
	if err != nil {
		return c, err
	}
	after, err := p.reading(ctx)
	if err != nil {
		return c, err
	}
	c.ServerCPU, c.Sent = after.cpu-before.cpu, after.sent-before.sent
	c.ServerHeap = max(most, after.heap) - before.heap
	return c, nil
}

// serverReading is what a server had spent at one moment.
type serverReading struct {
	cpu  time.Duration
	heap float64 // bytes in use, with what is garbage and not yet collected
	sent float64 // bytes of answers, as they went over the wire
}

func (p prometheus) reading(ctx context.Context) (serverReading, error) {
	metrics, err := measure.Scrape(ctx, p.url+"/metrics")
	if err != nil {
		return serverReading{}, err
	}
	spent, err := measure.Read(p.Pid())
	if err != nil {
		return serverReading{}, err
	}
	r := serverReading{cpu: spent.CPU, heap: metrics.Value("go_memstats_heap_inuse_bytes", nil)}
	for _, path := range []string{"/api/v1/read", "/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/label/:name/values"} {
		_, sent := metrics.Observed("prometheus_http_response_size_bytes", measure.Labels{"handler": path})
		r.sent += sent
	}
	return r, nil
}

// pollHeap looks at the server's heap until ctx ends and then tells the most that it has seen.
func (p prometheus) pollHeap(ctx context.Context) <-chan float64 {
	peak := make(chan float64, 1)
	go func() {
		most := 0.0
		for ticker := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				peak <- most
				return
			case <-ticker.C:
				if metrics, err := measure.Scrape(ctx, p.url+"/metrics"); err == nil { // a busy server is asked again
					most = max(most, metrics.Value("go_memstats_heap_inuse_bytes", nil))
				}
			}
		}
	}()
	return peak
}

// runReader has a process of its own read.
func runReader(ctx context.Context, t task) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := exec.Command(self, "-test.run=^TestReport$", "-test.timeout=0", "-child="+t.String())
	cmd.Env = process.Environ()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := process.Run(ctx, cmd); err != nil {
		return c, fmt.Errorf("the process that reads: %w\n%s", err, out.String())
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "{") {
			return c, json.Unmarshal([]byte(line), &c)
		}
	}
	return c, fmt.Errorf("the process that reads told nothing:\n%s", out.String())
}
