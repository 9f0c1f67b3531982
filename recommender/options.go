package main

import (
	"errors"
	"net"
	"time"

	"github.com/spf13/pflag"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/apiserver"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/features"
	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/history/server"
)

// options are all flags. Names, defaults and units are upstream's where upstream has the flag.
type options struct {
	apiserver apiserver.Options
	scope     apiserver.Scope
	// recommender is the name under which VPAs ask for this recommender.
	recommender string

	// interval is the time between rounds; workers is how many writes to the API server run at once.
	interval    time.Duration
	workers     int
	checkpoints checkpointOptions

	leaderElect               bool
	leaseNamespace, leaseName string
	// leaseTimes are those of the one lease, and of those of the shards.
	leaseTimes leaseTimes
	// shards is by how many replicas the VPAs are shared. With shardLeases each shard has a lease, in place of the
	// one that leaderElect asks for.
	shards      int
	shardLeases bool

	history   server.Options
	aggregate aggregate.Options
	// memoryIntervals is how many of aggregate's memory intervals count.
	memoryIntervals int64
	estimate        estimate.Options
	policy          policyOptions
	// limits is what the webhook adds, which is applied to what is recommended, too.
	limits flags.Limits
	// candidateSuffix ends the names of VPAs of release candidates.
	candidateSuffix string
	// skipHPAConflicts leaves out what an HPA scales the same workload on.
	skipHPAConflicts bool
	features         features.Gates

	address string
	// profiling serves /debug/pprof at address.
	profiling bool
	log       logging.Options
}

// checkpointOptions say when checkpoints are written.
type checkpointOptions struct {
	// none is set if checkpoints are neither read nor written.
	none bool
	// interval is the least time between two checkpoints of a container, collect the time between searches for
	// checkpoints without a VPA.
	interval, collect time.Duration
	// timeout bounds the writing of checkpoints, from the start of a round on.
	timeout time.Duration
}

// leaseTimes are client-go's: a lease ends duration after its last renewal, its holder gives up when it could not
// renew it for renew, and attempts are retry apart.
type leaseTimes struct{ duration, renew, retry time.Duration }

// policyOptions hold for all containers of the cluster.
type policyOptions struct {
	global   policy.Global
	rounding policy.Rounding
	minimum  policy.ContainerMinimum
	// integerCPU lets VPAs ask for whole CPUs by annotation.
	integerCPU bool
}

func defaultOptions() *options {
	return &options{
		apiserver:   apiserver.DefaultOptions(),
		recommender: cluster.DefaultRecommender,
		interval:    time.Minute, workers: 10,
		checkpoints: checkpointOptions{interval: 10 * time.Minute, collect: 10 * time.Minute, timeout: time.Minute},
		leaseName:   "vpa-recommender-lease",
		leaseTimes:  leaseTimes{duration: 15 * time.Second, renew: 10 * time.Second, retry: 2 * time.Second},
		shards:      1,
		history:     server.DefaultOptions(),
		aggregate:   aggregate.DefaultOptions(), memoryIntervals: 8,
		estimate:        estimate.DefaultOptions(),
		policy:          policyOptions{rounding: policy.Rounding{usage.CPU: 1, usage.Memory: 1}},
		limits:          flags.DefaultLimits(),
		candidateSuffix: lineage.DefaultSuffix,
		address:         ":8942",
	}
}

func (o *options) addFlags(fs *pflag.FlagSet) {
	flags.Group(fs, "Cluster", func(fs *pflag.FlagSet) {
		o.apiserver.AddFlags(fs)
		o.scope.AddFlags(fs)
		fs.StringVar(&o.recommender, "recommender-name", o.recommender, "Work on VPAs whose spec.recommenders has this name; as default also on those that name none.")
	})
	flags.Group(fs, "Rounds and checkpoints", o.addRoundFlags)
	flags.Group(fs, "Leader election and shards", o.addLeaseFlags)
	flags.Group(fs, "History", o.history.AddFlags)
	flags.Group(fs, "Learning", o.addLearningFlags)
	flags.Group(fs, "Estimation", o.addEstimationFlags)
	flags.Group(fs, "Policy", o.addPolicyFlags)
	flags.Group(fs, "Serving and logging", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.address, "address", o.address, `Where /metrics, /healthz and /readyz are served; "0" for nowhere.`)
		fs.BoolVar(&o.profiling, "profiling", o.profiling, "Serve /debug/pprof there, too.")
		o.log.AddFlags(fs)
		flags.Version(fs)
	})
	flags.Accept(fs, withoutEffect)
	flags.Accept(fs, flags.Klog())
}

// withoutEffect are upstream's flags for what is done in another way here, or not at all.
var withoutEffect = []flags.NoEffect{
	{Name: "external-metrics-cpu-metric", Type: "string", Why: liveMetrics},
	{Name: "external-metrics-memory-metric", Type: "string", Why: liveMetrics},
	{Name: "use-external-metrics", Type: "bool", Default: "false", Why: liveMetrics},
	{Name: "humanize-memory", Type: "bool", Default: "false", Why: "memory is recommended in bytes; --round-memory-bytes makes them readable"},
	{Name: "memory-saver", Type: "bool", Default: "false", Why: "pods without a VPA are never tracked"},
	{Name: "metric-for-pod-labels", Type: "string", Default: `up{job="kubernetes-pods"}`, Why: podNames},
	{Name: "min-checkpoints", Type: "int", Default: "10", Why: "a checkpoint is written when it is due by --checkpoint-interval"},
	{Name: "pod-label-prefix", Type: "string", Default: "pod_label_", Why: podNames},
	{Name: "pod-name-label", Type: "string", Default: "kubernetes_pod_name", Why: podNames},
	{Name: "pod-namespace-label", Type: "string", Default: "kubernetes_namespace", Why: podNames},
}

const (
	liveMetrics = "live metrics come from metrics.k8s.io alone"
	podNames    = "the pods of the past are known by their names, and not by labels"
)

// complete fills in what follows from other flags.
func (o *options) complete() {
	if o.checkpoints.none && o.history.Address == "" {
		o.history.Address = server.UpstreamAddress
	}
}

// validate reports every flag that cannot be used.
func (o *options) validate() error {
	_, _, err := net.SplitHostPort(o.address)
	return errors.Join(
		o.apiserver.Validate(), o.scope.Validate(),
		flags.Problems(
			flags.Check{OK: o.recommender != "", Flag: "recommender-name", Value: o.recommender, Must: "must be a name, such as default"},
			flags.Check{OK: err == nil || o.address == "0", Flag: "address", Value: o.address, Must: `must be HOST:PORT, :PORT or "0"`},
		),
		o.validateRounds(), o.validateLeases(), o.history.Validate(),
		o.validateLearning(), o.validateEstimation(), o.validatePolicy(), o.log.Validate())
}
