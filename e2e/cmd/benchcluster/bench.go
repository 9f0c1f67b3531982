package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	vpaclient "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned"
	"k8s.io/client-go/kubernetes"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
)

// bench is one run of everything, on one cluster.
type bench struct {
	options
	cluster  *cluster.Cluster
	upstream *install.Upstream
	began    time.Time

	kube    kubernetes.Interface
	vpa     vpaclient.Interface
	metrics metricsclient.Interface
}

func newBench(ctx context.Context, c *cluster.Cluster, o options) (*bench, error) {
	b := &bench{options: o, cluster: c, began: time.Now()}
	config := c.RESTConfig()
	var errs [3]error
	b.vpa, errs[0] = vpaclient.NewForConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf // which VPAs, being custom resources, are not to be had in
	b.kube, errs[1] = kubernetes.NewForConfig(config)
	b.metrics, errs[2] = metricsclient.NewForConfig(config)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	// VPAs are to be served, whoever runs first.
	var err error
	b.upstream, err = install.PrepareUpstream(ctx, c, b)
	return b, err
}

// Write reports the progress of others.
func (b *bench) Write(p []byte) (int, error) { return fmt.Printf("%s", p) }

func (b *bench) say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// side is one of the two programs that are compared.
type side struct {
	name  string
	start func(ctx context.Context) (*install.Program, error)
}

// The names of the sides.
const (
	upstreamSide = "upstream"
	ourSide      = "sartor"
)

// runs measures the sides, each alone, on VPAs that are new to it, and returns them by name.
func (b *bench) runs(ctx context.Context) (map[string]*measured, error) {
	interval := "--recommender-interval=" + b.interval.String()
	sides := []side{
		{upstreamSide, func(ctx context.Context) (*install.Program, error) { return b.upstream.StartRecommender(ctx, interval) }},
		{ourSide, func(ctx context.Context) (*install.Program, error) {
			s, err := install.Prepare(ctx, b.cluster, install.Options{})
			if err != nil {
				return nil, err
			}
			return s.StartReplica(ctx, "recommender", interval)
		}},
	}
	all := map[string]*measured{}
	for _, s := range sides {
		if b.only != "" && b.only != s.name {
			continue
		}
		m, err := b.measure(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", s.name, err)
		}
		all[s.name] = m
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("-only=%s: it is %s or %s", b.only, upstreamSide, ourSide)
	}
	return all, nil
}
