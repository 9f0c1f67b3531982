package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/sartor-vpa/sartor/pkg/apiserver"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// options are all flags. Names, defaults and units are upstream's where upstream has the flag.
type options struct {
	apiserver       apiserver.Options
	address         string
	leaderElect     bool
	leaseNamespace  string
	leaseName       string
	recommender     string
	interval        time.Duration
	candidateSuffix string
	history         history.Options
	log             logging.Options
}

func defaultOptions() *options {
	return &options{
		apiserver:   apiserver.DefaultOptions(),
		address:     ":8942",
		leaseName:   "vpa-recommender-lease",
		recommender: cluster.DefaultRecommender,
		interval:    time.Minute, candidateSuffix: lineage.DefaultSuffix,
		history: history.DefaultOptions(),
	}
}

func (o *options) addFlags(fs *pflag.FlagSet) {
	fs.SortFlags = false
	o.apiserver.AddFlags(fs)
	fs.StringVar(&o.address, "address", o.address, "Where /metrics, /healthz and /readyz are served.")
	fs.BoolVar(&o.leaderElect, "leader-elect", o.leaderElect, "Work only while holding a lease, so that several replicas can run.")
	fs.StringVar(&o.leaseNamespace, "leader-elect-resource-namespace", o.leaseNamespace, "Namespace of the lease. Empty: that of the pod this runs in.")
	fs.StringVar(&o.leaseName, "leader-elect-resource-name", o.leaseName, "Name of the lease.")
	fs.StringVar(&o.recommender, "recommender-name", o.recommender, "Work on VPAs whose spec.recommenders has this name; as default also on those that name none.")
	fs.DurationVar(&o.interval, "recommender-interval", o.interval, "How often live metrics are read and everything is estimated anew.")
	fs.StringVar(&o.candidateSuffix, "release-candidate-suffix", o.candidateSuffix, "A VPA whose name ends so inherits from the VPA without it. Empty: none inherits.")
	o.history.AddFlags(fs)
	o.log.AddFlags(fs)
}

// validate reports every flag that cannot be used.
func (o *options) validate() error {
	var errs []error
	if o.interval <= 0 {
		errs = append(errs, fmt.Errorf("--recommender-interval=%s: must be longer than 0", o.interval))
	}
	if o.recommender == "" {
		errs = append(errs, errors.New(`--recommender-name="": must be a name, such as default`))
	}
	return errors.Join(append(errs, o.apiserver.Validate(), o.history.Validate(), o.log.Validate())...)
}
