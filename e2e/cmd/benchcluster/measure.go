package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// measured is what was seen of one side.
type measured struct {
	loops []loop
	peak  int64 // bytes that were resident at most
}

// loop is what one loop cost. The first one's has the program's start in it.
type loop struct {
	wall                time.Duration
	cpu                 time.Duration // of the program, also between loops
	statuses, snapshots float64       // writes of VPA statuses and of checkpoints that the API server counted
}

// reading is what had been spent at one moment.
type reading struct {
	loops   uint64
	wall    float64 // seconds in all loops
	process measure.Process
	writes  measure.Metrics // the API server's
}

// measure runs one side for as many loops as are wanted.
func (b *bench) measure(ctx context.Context, s side) (*measured, error) {
	b.say("%s: creating %d VPAs, each with days of past in its checkpoints", s.name, b.vpas)
	if err := b.createVPAs(ctx); err != nil {
		return nil, err
	}
	before := reading{}
	var err error
	if before.writes, err = b.apiServer(ctx); err != nil {
		return nil, err
	}
	p, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	b.say("%s: started", s.name)
	m := &measured{}
	for len(m.loops) < b.loops {
		after, err := b.nextLoop(ctx, p, before.loops)
		if err != nil {
			return nil, err
		}
		l := after.since(before)
		m.loops = append(m.loops, l)
		m.peak = after.process.Peak
		b.say("%s: loop %d took %.1f s, %.2f s of CPU, wrote %.0f statuses and %.0f checkpoints; %d MiB at most",
			s.name, after.loops, l.wall.Seconds(), l.cpu.Seconds(), l.statuses, l.snapshots, m.peak>>20)
		before = after
	}
	// Killed, as ours would save what it has learnt first.
	return m, errors.Join(p.Kill(), b.deleteVPAs(ctx))
}

// nextLoop waits until more loops are over than were, and reads what they cost.
func (b *bench) nextLoop(ctx context.Context, p *install.Program, were uint64) (reading, error) {
	var r reading
	// A loop of upstream's may take its interval and, after that, a minute for checkpoints. It is looked at as often
	// as a Prometheus would: telling the metrics of thousands of VPAs is work, too.
	err := poll.Within(ctx, 2*b.interval+3*time.Minute, b.interval/4, func(ctx context.Context) error {
		select {
		case <-p.Done():
			return poll.Give(p.Died())
		case <-b.cluster.Done():
			return poll.Give(b.cluster.Err())
		default:
		}
		metrics, err := measure.Scrape(ctx, p.URL+"/metrics")
		if err != nil {
			return err
		}
		const name = "vpa_recommender_execution_latency_seconds"
		if r.loops, r.wall = metrics.Observed(name, measure.Labels{"step": "total"}); r.loops <= were {
			return fmt.Errorf("%s{step=\"total\"} has counted %d loops", name, r.loops)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	if r.process, err = measure.Read(p.Pid()); err != nil {
		return r, err
	}
	r.writes, err = b.apiServer(ctx)
	return r, err
}

// apiServer reads the API server's metrics.
func (b *bench) apiServer(ctx context.Context) (measure.Metrics, error) {
	text, err := b.kube.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	return measure.Parse(bytes.NewReader(text))
}

// since is what was spent per loop since before.
func (r reading) since(before reading) loop {
	n := time.Duration(r.loops - before.loops)
	return loop{
		wall:      time.Duration((r.wall-before.wall)*float64(time.Second)) / n,
		cpu:       (r.process.CPU - before.process.CPU) / n,
		statuses:  (written(r.writes, "verticalpodautoscalers") - written(before.writes, "verticalpodautoscalers")) / float64(n),
		snapshots: (written(r.writes, "verticalpodautoscalercheckpoints") - written(before.writes, "verticalpodautoscalercheckpoints")) / float64(n),
	}
}

// written is how many writes of that resource, or of a part of it, the API server has seen.
func written(m measure.Metrics, resource string) float64 {
	sum := 0.0
	for _, verb := range []string{"POST", "PUT", "PATCH", "APPLY", "DELETE"} {
		sum += m.Value("apiserver_request_total", measure.Labels{"group": "autoscaling.k8s.io", "resource": resource, "verb": verb})
	}
	return sum
}
