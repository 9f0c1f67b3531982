// Package apiserver says how both programs reach the API server: their flags for it, and what follows from them.
package apiserver

import (
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sartor-vpa/sartor/pkg/apiserver/guard"
	"github.com/sartor-vpa/sartor/pkg/flags"
)

// Options are the flags. Names and defaults are upstream's.
type Options struct {
	// Kubeconfig is a path; empty stands for the service account of the pod that the program runs in.
	Kubeconfig string
	// QPS is in requests per second, on average, without bound if negative; Burst in requests at once.
	QPS, Burst float64
}

// DefaultOptions are upstream's.
func DefaultOptions() Options { return Options{QPS: 50, Burst: 100} }

// AddFlags registers the flags, with o's fields as defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "Path of a kubeconfig. Empty: the service account of the pod that this runs in.")
	fs.Float64Var(&o.QPS, "kube-api-qps", o.QPS, "Requests per second to the API server, at most, on average. Negative: as many as it takes.")
	fs.Float64Var(&o.Burst, "kube-api-burst", o.Burst, "Requests to the API server, at most, in a burst.")
}

// Validate reports every option that cannot be used, by flag and value.
func (o *Options) Validate() error {
	return flags.Problems(
		flags.Check{OK: o.QPS != 0, Flag: "kube-api-qps", Value: o.QPS, Must: "must be above 0, or negative for no bound"},
		flags.Check{OK: o.Burst >= 1, Flag: "kube-api-burst", Value: o.Burst, Must: "must be at least 1"},
	)
}

// Config returns how to reach the API server, which gets to see userAgent. What is read by it is guarded, see guard.
func (o *Options) Config(userAgent string) (*rest.Config, error) {
	config, err := o.read()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst, config.UserAgent = float32(o.QPS), int(o.Burst), userAgent
	guard.Wrap(config)
	return config, nil
}

func (o *Options) read() (*rest.Config, error) {
	if o.Kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig=%q: %w", o.Kubeconfig, err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("not in a pod with a service account, and --kubeconfig is empty: give --kubeconfig=FILE (%w)", err)
	}
	return config, nil
}
