package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/loop"
	"github.com/sartor-vpa/sartor/recommender/shards"
)

// replicas is this process among others that work on the same VPAs.
type replicas struct {
	count  int
	suffix string
	shards *shards.Shards
	// loop saves what is given up; it is set before run.
	loop *loop.Loop
}

// newReplicas returns nil where this process is the only one.
func newReplicas(config *rest.Config, o *options, log logr.Logger) (*replicas, error) {
	if !o.leaderElect && !o.shardLeases {
		return nil, nil
	}
	namespace, err := o.namespaceOfLeases()
	if err != nil {
		return nil, err
	}
	client, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server for leases: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("the host's name, for the lease: %w", err)
	}
	r := &replicas{count: 1, suffix: o.candidateSuffix}
	if o.shardLeases {
		r.count = o.shards
	}
	r.shards, err = shards.New(shards.Options{
		Count: r.count, Namespace: namespace, Name: o.leaseName, Identity: host + "_" + rand.Text(),
		LeaseDuration: o.leaseTimes.duration, RenewDeadline: o.leaseTimes.renew, RetryPeriod: o.leaseTimes.retry,
		Yield: func(ctx context.Context, shard int) {
			if err := r.loop.Yield(ctx, func(vpa *vpav1.VerticalPodAutoscaler) bool { return r.shardOf(vpa) == shard }); err != nil {
				log.Error(err, "Given up without saving what was unsaved", "shard", shard)
			}
		},
	}, client, time.Now, log.WithName("leases"))
	return r, err
}

// collectors are the metrics that tell which part of the VPAs this process works on. Without leases that is all of them.
func (r *replicas) collectors() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "vpa_recommender", Name: name, Help: help}, value)
	}
	count, held := 1, func() float64 { return 1 }
	if r != nil {
		count, held = r.count, func() float64 { return float64(len(r.shards.Held())) }
	}
	return []prometheus.Collector{
		gauge("shards", "Parts that the VPAs are shared by: 1 without --shard-leases.", func() float64 { return float64(count) }),
		gauge("shards_held", "Parts whose VPAs this replica works on; 0 while it stands by.", held),
	}
}

// podNamespace is where Kubernetes tells a pod its namespace.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (o *options) namespaceOfLeases() (string, error) {
	if o.leaseNamespace != "" {
		return o.leaseNamespace, nil
	}
	text, err := os.ReadFile(podNamespace)
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New(`--leader-elect-resource-namespace="": must be a namespace where this does not run in a pod`)
	}
	return strings.TrimSpace(string(text)), err
}

// shardOf is the shard of a VPA. A candidate's is its primary's.
func (r *replicas) shardOf(vpa *vpav1.VerticalPodAutoscaler) int {
	return shards.Of(vpa.Namespace+"/"+lineage.ShardKey(vpa.Name, vpa.Annotations, r.suffix), r.count)
}

// owns reports whether the VPA is this process's now; of no others, all are.
func (r *replicas) owns(vpa *vpav1.VerticalPodAutoscaler) bool {
	return r == nil || r.shards.Owns(r.shardOf(vpa))
}

// run holds leases until ctx ends, after which nothing may be written.
func (r *replicas) run(ctx context.Context, view *cluster.Cluster, log logr.Logger) {
	if r == nil {
		return
	}
	go func() {
		for {
			select {
			case <-r.shards.Changed():
				view.Reconsider()
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := r.shards.Run(ctx); err != nil {
		log.Error(err, "Leases not released")
	}
}
