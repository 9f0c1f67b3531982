package main

import (
	"time"

	"github.com/sartor-vpa/sartor/pkg/features"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// forLoop is what the flags say of the loop.
func (o *options) forLoop() loop.Options {
	options := loop.Options{
		Interval:           o.interval,
		HistoryLength:      o.history.Length,
		ForgetAfter:        o.aggregate.Rules.MemoryInterval * time.Duration(o.memoryIntervals),
		CheckpointInterval: o.checkpoints.interval,
		CollectInterval:    o.checkpoints.collect,
		WriteTimeout:       o.checkpoints.timeout,
		Workers:            o.workers,
		CandidateSuffix:    o.candidateSuffix,
		SkipHPAConflicts:   o.skipHPAConflicts,
		Aggregate:          o.aggregate,
		Estimate:           o.estimate,
		Policy: loop.Policy{
			Global: o.policy.global, Rounding: o.policy.rounding, Minimum: o.policy.minimum, IntegerCPU: o.policy.integerCPU,
		},
		Limits:        o.limits.Policy,
		FloorRequests: o.limits.FloorRequests,
		PerVPAConfig:  o.features.Enabled(features.PerVPAConfig),
	}
	if o.checkpoints.none {
		options.CheckpointInterval = 0
	}
	return options
}

// forCluster is what the flags say of the cluster.
func (o *options) forCluster(others *replicas) cluster.Options {
	return cluster.Options{Recommender: o.recommender, Namespace: o.scope.Namespace, Ignored: o.scope.Ignored, Owns: others.owns}
}
