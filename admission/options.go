package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sartor-vpa/sartor/admission/certs"
	"github.com/sartor-vpa/sartor/pkg/apiserver"
	"github.com/sartor-vpa/sartor/pkg/features"
	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

// options are the program's flags. Where upstream's admission controller has a flag it has the same
// name here.
type options struct {
	apiserver apiserver.Options
	scope     apiserver.Scope

	bindAddress string
	port        int
	tls         tlsOptions
	// shutdownDelay is how long reviews are accepted after SIGTERM.
	shutdownDelay time.Duration

	limits   flags.Limits
	maxBoost maxBoost
	features features.Gates

	certificates certificateOptions
	lease        leaseOptions

	address   string // of metrics and probes
	profiling bool
	logging   logging.Options
}

// certificateOptions say where the certificate comes from, and who has to trust it.
type certificateOptions struct {
	namespace     string
	service       string
	secret        string
	configuration string
	// publish is unset where somebody else writes to the configuration whom it trusts.
	publish bool
	// files are given instead of the authority in the secret. They are empty if it is used.
	files certs.Paths
}

// leaseOptions are of the Lease by which upstream's updater knows that pods are admitted.
type leaseOptions struct {
	name, namespace string
	interval        time.Duration
}

func defaultOptions() *options {
	return &options{
		apiserver: apiserver.DefaultOptions(),
		port:      8000, address: ":8944",
		tls:           defaultTLS(),
		shutdownDelay: 10 * time.Second,
		limits:        flags.DefaultLimits(),
		certificates: certificateOptions{
			namespace: cmp.Or(os.Getenv("NAMESPACE"), "sartor-system"),
			service:   "sartor-admission", secret: "sartor-admission-ca", configuration: "vpa-webhook-config", publish: true,
		},
		lease: leaseOptions{name: "vpa-admission-controller", interval: 10 * time.Second},
	}
}

func (o *options) addFlags(fs *pflag.FlagSet) {
	flags.Group(fs, "Cluster", func(fs *pflag.FlagSet) {
		o.apiserver.AddFlags(fs)
		o.scope.AddFlags(fs)
	})
	flags.Group(fs, "Reviews", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.bindAddress, "bind-address", o.bindAddress, "IP address that reviews are served on. Empty: all.")
		fs.IntVar(&o.port, "port", o.port, "Port that reviews are served on, over TLS.")
		o.tls.addFlags(fs)
		fs.DurationVar(&o.shutdownDelay, "shutdown-delay", o.shutdownDelay, "How long reviews are still accepted after SIGTERM, while /readyz already says no.")
	})
	flags.Group(fs, "Policy", func(fs *pflag.FlagSet) {
		o.limits.AddFlags(fs)
		fs.Var(&o.maxBoost, "max-allowed-cpu-boost", "Most CPU that a container is given while it starts. Empty or 0: no bound.")
		o.features.AddFlag(fs)
	})
	flags.Group(fs, "Certificates", o.certificates.addFlags)
	flags.Group(fs, "Lease for upstream's updater", o.lease.addFlags)
	flags.Group(fs, "Serving and logging", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.address, "address", o.address, `Address of /metrics, /healthz and /readyz, "0" for none.`)
		fs.BoolVar(&o.profiling, "profiling", o.profiling, "Serve /debug/pprof there, too.")
		o.logging.AddFlags(fs)
		flags.Version(fs)
	})
	flags.Accept(fs, withoutEffect)
	flags.Accept(fs, flags.Klog())
}

func (o *certificateOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.namespace, "webhook-namespace", o.namespace, "Namespace of the Service and of the Secret. $NAMESPACE sets its default.")
	fs.StringVar(&o.service, "webhook-service", o.service, "Service that the API server calls; the certificate is made out to it.")
	fs.StringVar(&o.configuration, "webhook-configuration", o.configuration, "MutatingWebhookConfiguration that the certificate authority is published in.")
	fs.BoolVar(&o.publish, "register-webhook", o.publish, "Publish the certificate authority there. With false somebody else does, such as cert-manager; whether it is trusted decides readiness all the same.")
	fs.StringVar(&o.secret, "ca-secret", o.secret, "Secret of the certificate authority that all replicas share. It must exist; if empty it is filled.")
	fs.StringVar(&o.files.Certificate, "tls-cert-file", o.files.Certificate, "PEM file of a certificate that somebody else makes, to be served instead of one of the Secret's authority. It is read again every half minute. Empty: the Secret's.")
	fs.StringVar(&o.files.Key, "tls-private-key", o.files.Key, "PEM file of its key.")
	fs.StringVar(&o.files.Authority, "client-ca-file", o.files.Authority, "PEM file of the authority that signed it, to be published. Empty: nothing is published.")
}

func (o *leaseOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.name, "status-lease-name", o.name, "Lease that is renewed while this replica is ready; upstream's updater evicts no pod without it.")
	fs.StringVar(&o.namespace, "status-lease-namespace", o.namespace, "Its namespace, which is kube-system where upstream's updater runs with its own manifest. Empty: --webhook-namespace.")
	fs.DurationVar(&o.interval, "status-lease-update-interval", o.interval, "How often it is renewed. Well below a minute, after which the updater gives it up. 0: never.")
}

// withoutEffect are upstream's flags for what is done in another way here, or not at all.
var withoutEffect = []flags.NoEffect{
	{Name: "register-by-url", Type: "bool", Default: "false", Why: manifest},
	{Name: "reload-cert", Type: "bool", Default: "false", Why: "files of certificates are always read again"},
	{Name: "webhook-address", Type: "string", Why: manifest},
	{Name: "webhook-failure-policy-fail", Type: "bool", Default: "false", Why: manifest},
	{Name: "webhook-labels", Type: "string", Why: manifest},
	{Name: "webhook-port", Type: "string", Why: manifest},
	{Name: "webhook-timeout-seconds", Type: "int", Default: "30", Why: manifest},
}

const manifest = "the webhook configuration is a manifest, of which the program writes the certificate authority alone"

// validate reports every flag that cannot be used.
func (o *options) validate() error {
	_, _, err := net.SplitHostPort(o.address)
	return errors.Join(
		o.apiserver.Validate(), o.scope.Validate(),
		flags.Problems(
			flags.Check{OK: o.bindAddress == "" || net.ParseIP(o.bindAddress) != nil, Flag: "bind-address", Value: o.bindAddress, Must: "must be an IP address"},
			flags.Check{OK: o.port >= 0 && o.port <= 65535, Flag: "port", Value: o.port, Must: "must be a port, or 0 for any that is free"},
			flags.Check{OK: o.shutdownDelay >= 0 && o.shutdownDelay <= 5*time.Minute, Flag: "shutdown-delay", Value: o.shutdownDelay, Must: "must be between 0s and 5m"},
			flags.Check{OK: err == nil || o.address == "0", Flag: "address", Value: o.address, Must: `must be HOST:PORT, :PORT or "0"`},
		),
		o.certificates.validate(), o.lease.validate(), o.logging.Validate())
}

func (o *certificateOptions) validate() error {
	f := o.files
	return flags.Problems(
		isName("webhook-namespace", o.namespace), isName("webhook-service", o.service), isName("ca-secret", o.secret), isName("webhook-configuration", o.configuration),
		flags.Check{OK: f.Certificate == "" || f.Key != "", Flag: "tls-cert-file", Value: f.Certificate, Must: "must come with --tls-private-key"},
		flags.Check{OK: f.Key == "" || f.Certificate != "", Flag: "tls-private-key", Value: f.Key, Must: "must come with --tls-cert-file"},
		flags.Check{OK: f.Authority == "" || f.Certificate != "", Flag: "client-ca-file", Value: f.Authority, Must: "must come with --tls-cert-file and --tls-private-key"},
	)
}

func (o *leaseOptions) validate() error {
	namespace := cmp.Or(o.namespace, "a")
	return flags.Problems(
		isName("status-lease-name", o.name), isName("status-lease-namespace", namespace),
		flags.Check{OK: o.interval >= 0 && o.interval <= time.Minute, Flag: "status-lease-update-interval", Value: o.interval, Must: "must be between 0s and 1m"},
	)
}

func isName(flag, value string) flags.Check {
	problems := validation.IsDNS1123Subdomain(value)
	return flags.Check{OK: len(problems) == 0, Flag: flag, Value: value, Must: cmp.Or(problems...)}
}

func (o *options) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(o.bindAddress, strconv.Itoa(o.port)))
	if err != nil {
		return nil, fmt.Errorf("--bind-address=%q --port=%d: %w", o.bindAddress, o.port, err)
	}
	return listener, nil
}

func (o *options) certs() certs.Options {
	c := o.certificates
	return certs.Options{
		Secret:        types.NamespacedName{Namespace: c.namespace, Name: c.secret},
		Service:       types.NamespacedName{Namespace: c.namespace, Name: c.service},
		Configuration: c.configuration,
		Publish:       c.publish,
	}
}

// cluster is what the flags say of all VPAs.
func (o *options) cluster() policy.Cluster {
	return policy.Cluster{
		Limits: o.limits.Policy, FloorRequests: o.limits.FloorRequests,
		StartupBoost: o.features.Enabled(features.CPUStartupBoost), MaxBoost: o.maxBoost.Quantity,
	}
}
