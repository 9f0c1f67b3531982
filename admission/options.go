package main

import (
	"cmp"
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
	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/logging"
)

// options are the program's flags. Where upstream's admission controller has a flag it has the same
// name here.
type options struct {
	apiserver apiserver.Options

	bindAddress string
	port        int
	address     string // of metrics and probes

	namespace     string
	service       string
	secret        string
	configuration string

	shutdownDelay time.Duration
	logging       logging.Options
}

func defaultOptions() *options {
	o := &options{
		apiserver: apiserver.DefaultOptions(),
		port:      8000, address: ":8944",
		namespace: "sartor-system", service: "sartor-admission", secret: "sartor-admission-ca", configuration: "vpa-webhook-config",
		shutdownDelay: 10 * time.Second,
	}
	if namespace := os.Getenv("NAMESPACE"); namespace != "" {
		o.namespace = namespace
	}
	return o
}

func (o *options) addFlags(fs *pflag.FlagSet) {
	flags.Group(fs, "Cluster", o.apiserver.AddFlags)
	flags.Group(fs, "Reviews", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.bindAddress, "bind-address", o.bindAddress, "IP address that reviews are served on. Empty: all.")
		fs.IntVar(&o.port, "port", o.port, "Port that reviews are served on, over TLS.")
		fs.DurationVar(&o.shutdownDelay, "shutdown-delay", o.shutdownDelay, "How long reviews are still accepted after SIGTERM, while /readyz already says no.")
	})
	flags.Group(fs, "Certificates", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.namespace, "webhook-namespace", o.namespace, "Namespace of the Service and of the Secret. $NAMESPACE sets its default.")
		fs.StringVar(&o.service, "webhook-service", o.service, "Service that the API server calls; the certificate is made out to it.")
		fs.StringVar(&o.secret, "ca-secret", o.secret, "Secret of the certificate authority that all replicas share. It must exist; if empty it is filled.")
		fs.StringVar(&o.configuration, "webhook-configuration", o.configuration, "MutatingWebhookConfiguration that the certificate authority is published in.")
	})
	flags.Group(fs, "Serving and logging", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.address, "address", o.address, `Address of /metrics, /healthz and /readyz, "0" for none.`)
		o.logging.AddFlags(fs)
	})
}

// validate reports the first flag that cannot be used.
func (o *options) validate() error {
	if err := o.apiserver.Validate(); err != nil {
		return err
	}
	if o.bindAddress != "" && net.ParseIP(o.bindAddress) == nil {
		return fmt.Errorf("--bind-address=%q: must be an IP address", o.bindAddress)
	}
	if o.port < 0 || o.port > 65535 {
		return fmt.Errorf("--port=%d: must be a port, or 0 for any that is free", o.port)
	}
	if o.shutdownDelay < 0 || o.shutdownDelay > 5*time.Minute {
		return fmt.Errorf("--shutdown-delay=%s: must be between 0s and 5m", o.shutdownDelay)
	}
	if _, _, err := net.SplitHostPort(o.address); err != nil && o.address != "0" {
		return fmt.Errorf(`--address=%q: must be HOST:PORT, :PORT or "0"`, o.address)
	}
	return cmp.Or(o.validateNames(), o.logging.Validate())
}

func (o *options) validateNames() error {
	for _, name := range []struct{ flag, value string }{
		{"webhook-namespace", o.namespace}, {"webhook-service", o.service}, {"ca-secret", o.secret}, {"webhook-configuration", o.configuration},
	} {
		if problems := validation.IsDNS1123Subdomain(name.value); len(problems) > 0 {
			return fmt.Errorf("--%s=%q: %s", name.flag, name.value, problems[0])
		}
	}
	return nil
}

func (o *options) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(o.bindAddress, strconv.Itoa(o.port)))
	if err != nil {
		return nil, fmt.Errorf("--bind-address=%q --port=%d: %w", o.bindAddress, o.port, err)
	}
	return listener, nil
}

func (o *options) certs() certs.Options {
	return certs.Options{
		Secret:        types.NamespacedName{Namespace: o.namespace, Name: o.secret},
		Service:       types.NamespacedName{Namespace: o.namespace, Name: o.service},
		Configuration: o.configuration,
		Publish:       true,
	}
}
