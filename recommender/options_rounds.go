package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/recommender/history/server"
)

func (o *options) addRoundFlags(fs *pflag.FlagSet) {
	fs.DurationVar(&o.interval, "recommender-interval", o.interval, "How often live metrics are read and everything is estimated anew.")
	fs.IntVar(&o.workers, "update-worker-count", o.workers, "How many writes to the API server run at once. --kube-api-qps and --kube-api-burst bound them, too.")
	fs.Var(&choice{&o.checkpoints.none, "checkpoint", "prometheus"}, "storage",
		"Where what was learnt outlives a restart: checkpoint, beside which history is read if there is a --prometheus-address; or prometheus, where checkpoints are neither read nor written, and whose address is then "+server.UpstreamAddress+" unless it is given.")
	fs.DurationVar(&o.checkpoints.interval, "checkpoint-interval", o.checkpoints.interval, "A container's checkpoint is written at most once in this time.")
	fs.DurationVar(&o.checkpoints.collect, "checkpoints-gc-interval", o.checkpoints.collect, "How often checkpoints without a VPA are searched for and deleted.")
	fs.DurationVar(&o.checkpoints.timeout, "checkpoints-timeout", o.checkpoints.timeout, "How long after a round's start its checkpoints may be written.")
}

func (o *options) validateRounds() error {
	checks := []flags.Check{{OK: o.workers >= 1, Flag: "update-worker-count", Value: o.workers, Must: "must be at least 1"}}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"recommender-interval", o.interval},
		{"checkpoint-interval", o.checkpoints.interval}, {"checkpoints-gc-interval", o.checkpoints.collect}, {"checkpoints-timeout", o.checkpoints.timeout},
	} {
		checks = append(checks, longerThanZero(d.flag, d.value))
	}
	return flags.Problems(checks...)
}

func longerThanZero(flag string, d time.Duration) flags.Check {
	return flags.Check{OK: d > 0, Flag: flag, Value: d, Must: "must be longer than 0"}
}

// lock is the one kind of lock that Kubernetes still has; the flag is upstream's.
const lock = "leases"

func (o *options) addLeaseFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.leaderElect, "leader-elect", o.leaderElect, "Work only while holding a lease, so that several replicas can run.")
	fs.DurationVar(&o.leaseTimes.duration, "leader-elect-lease-duration", o.leaseTimes.duration, "How long after its last renewal a lease is free to be taken.")
	fs.DurationVar(&o.leaseTimes.renew, "leader-elect-renew-deadline", o.leaseTimes.renew, "How long the holder tries to renew a lease before it stops working; shorter than the lease's duration.")
	fs.DurationVar(&o.leaseTimes.retry, "leader-elect-retry-period", o.leaseTimes.retry, "Time between attempts to renew or to take a lease.")
	fs.Var(&only{lock}, "leader-elect-resource-lock", "Kind of the lock; there is no other.")
	fs.StringVar(&o.leaseName, "leader-elect-resource-name", o.leaseName, "Name of the lease. A shard's has -shard-0 and so on at the end.")
	fs.StringVar(&o.leaseNamespace, "leader-elect-resource-namespace", o.leaseNamespace, "Namespace of the lease. Empty: that of the pod that this runs in.")
	fs.IntVar(&o.shards, "shards", o.shards, "Share the VPAs by this many parts. A release candidate's is its primary's.")
	fs.BoolVar(&o.shardLeases, "shard-leases", o.shardLeases, "Give each part a lease of its own, in place of the one of --leader-elect. Replicas take the parts whose leases are free.")
}

func (o *options) validateLeases() error {
	checks := []flags.Check{
		{OK: o.shards >= 1, Flag: "shards", Value: o.shards, Must: "must be at least 1"},
		{OK: o.shards <= 1 || o.shardLeases, Flag: "shards", Value: o.shards, Must: "needs --shard-leases, or every replica would work on every part"},
	}
	if o.leaderElect || o.shardLeases {
		// An attempt may come up to 1.2 times the period after the last.
		t, attempt := o.leaseTimes, o.leaseTimes.retry+o.leaseTimes.retry/5
		checks = append(checks,
			longerThanZero("leader-elect-retry-period", t.retry),
			flags.Check{OK: t.renew > attempt, Flag: "leader-elect-renew-deadline", Value: t.renew,
				Must: fmt.Sprintf("must be longer than 1.2 times --leader-elect-retry-period=%s", t.retry)},
			flags.Check{OK: t.duration > t.renew, Flag: "leader-elect-lease-duration", Value: t.duration,
				Must: fmt.Sprintf("must be longer than --leader-elect-renew-deadline=%s", t.renew)},
			flags.Check{OK: len(validation.IsDNS1123Subdomain(o.leaseName)) == 0, Flag: "leader-elect-resource-name", Value: o.leaseName,
				Must: "must be a name: small letters, digits, - and ."},
			flags.Check{OK: o.leaseNamespace == "" || len(validation.IsDNS1123Label(o.leaseNamespace)) == 0, Flag: "leader-elect-resource-namespace",
				Value: o.leaseNamespace, Must: "must be the name of a namespace"})
	}
	return flags.Problems(checks...)
}
