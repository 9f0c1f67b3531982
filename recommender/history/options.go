package history

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/spf13/pflag"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// UpstreamAddress is where upstream's recommender looks for Prometheus unless it is told otherwise.
const UpstreamAddress = "http://prometheus.monitoring.svc"

// EnvironmentVariable holds the value that the environment label must have.
const EnvironmentVariable = "K8S_ENVIRONMENT"

// Labels are the names of the labels that say whose usage a series is.
type Labels struct {
	Namespace, Pod, Container string
}

// Options say where history is, and which part of it is ours.
type Options struct {
	// Address is the server's URL; empty means that there is no history.
	Address string
	// EnvLabel names the label that tells environments apart which share one server; empty means that the
	// server has only one. Environment is the value it must have.
	EnvLabel, Environment string
	// HTTPConfigFile is a file in the form of Prometheus' HTTP client configuration: authentication, TLS, proxy,
	// headers. Empty means none of these, but for what Auth says.
	HTTPConfigFile string
	// Auth takes the place of HTTPConfigFile; not both may be set.
	Auth Auth
	// Length is how far back history is read; QueryTimeout is how long one request may take.
	Length, QueryTimeout time.Duration
	// CPUMetric is a counter of seconds, MemoryMetric a gauge of bytes.
	CPUMetric, MemoryMetric string
	Labels                  Labels
	// Concurrency is how many requests run at once.
	Concurrency int
}

// DefaultOptions have upstream's values, and today's cAdvisor's names where upstream's no longer exist.
func DefaultOptions() Options {
	return Options{
		Environment:  os.Getenv(EnvironmentVariable),
		Auth:         Auth{fallback: login{os.Getenv("PROMETHEUS_USERNAME"), os.Getenv("PROMETHEUS_PASSWORD")}},
		Length:       8 * 24 * time.Hour,
		QueryTimeout: 5 * time.Minute,
		CPUMetric:    "container_cpu_usage_seconds_total",
		MemoryMetric: "container_memory_working_set_bytes",
		Labels:       Labels{Namespace: "namespace", Pod: "pod", Container: "container"},
		Concurrency:  2,
	}
}

// AddFlags registers the flags, with o's fields as defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Address, "prometheus-address", o.Address, "URL of the server with the history of usage (Prometheus with its remote read API). Empty: no history.")
	fs.StringVar(&o.EnvLabel, "prometheus-env-label", o.EnvLabel, "Label that tells environments apart which share the server. Only series whose label has the value of $"+EnvironmentVariable+" are read. Empty: no filter.")
	fs.StringVar(&o.HTTPConfigFile, "prometheus-http-config", o.HTTPConfigFile, "File with authentication, TLS, proxy and headers for the server, in the form of Prometheus' HTTP client configuration.")
	o.Auth.addFlags(fs)
	fs.Var(newDuration(&o.Length), "history-length", "How far back history is read.")
	fs.Var(newDuration(&o.QueryTimeout), "prometheus-query-timeout", "How long one request for history may take.")
	fs.StringVar(&o.CPUMetric, "history-cpu-metric", o.CPUMetric, "Counter of the CPU seconds that a container used.")
	fs.StringVar(&o.MemoryMetric, "history-memory-metric", o.MemoryMetric, "Gauge of the bytes of memory that a container uses.")
	fs.StringVar(&o.Labels.Namespace, "container-namespace-label", o.Labels.Namespace, "Label of these metrics that names the namespace.")
	fs.StringVar(&o.Labels.Pod, "container-pod-name-label", o.Labels.Pod, "Label of these metrics that names the pod.")
	fs.StringVar(&o.Labels.Container, "container-name-label", o.Labels.Container, "Label of these metrics that names the container.")
	fs.IntVar(&o.Concurrency, "prometheus-concurrency", o.Concurrency, "How many requests for history run at once.")
}

// Validate reports every option that cannot be used, by flag and value.
func (o *Options) Validate() error {
	if o.Address == "" {
		return flags.Problems(flags.Check{OK: o.EnvLabel == "", Flag: "prometheus-env-label", Value: o.EnvLabel, Must: "needs --prometheus-address"})
	}
	must := fmt.Sprintf("$%s is empty; set it to this cluster's value of that label, or every environment's history would be mixed", EnvironmentVariable)
	checks := []flags.Check{
		{OK: isAddress(o.Address), Flag: "prometheus-address", Value: redacted(o.Address), Must: "must be an http or https URL, like http://prometheus.monitoring.svc:9090"},
		{OK: o.EnvLabel == "" || o.Environment != "", Flag: "prometheus-env-label", Value: o.EnvLabel, Must: must},
		{OK: o.Length > 0, Flag: "history-length", Value: model.Duration(o.Length), Must: "must be longer than 0"},
		{OK: o.QueryTimeout > 0, Flag: "prometheus-query-timeout", Value: model.Duration(o.QueryTimeout), Must: "must be longer than 0"},
		{OK: o.Concurrency >= 1, Flag: "prometheus-concurrency", Value: o.Concurrency, Must: "must be at least 1"},
	}
	for _, name := range []struct{ flag, value string }{
		{"history-cpu-metric", o.CPUMetric}, {"history-memory-metric", o.MemoryMetric},
		{"container-namespace-label", o.Labels.Namespace}, {"container-pod-name-label", o.Labels.Pod}, {"container-name-label", o.Labels.Container},
	} {
		checks = append(checks, flags.Check{OK: model.UTF8Validation.IsValidMetricName(name.value), Flag: name.flag, Value: name.value, Must: "must be a name"})
	}
	return flags.Problems(append(checks, o.Auth.checks(o.HTTPConfigFile)...)...)
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// redacted is an address that is no URL as messages may show it.
func redacted(address string) string {
	if strings.Contains(address, "@") {
		return "(not shown: it may hold a password)"
	}
	return address
}

// matchers select the series of a workload's containers. They are built by name and value and never as text,
// so that no value can be read as anything but itself.
func (o *Options) matchers(w Workload, r usage.Resource) ([]*labels.Matcher, error) {
	metric := o.CPUMetric
	if r == usage.Memory {
		metric = o.MemoryMetric
	}
	matchers := []*labels.Matcher{
		labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, metric),
		labels.MustNewMatcher(labels.MatchEqual, o.Labels.Namespace, w.Namespace),
		// Neither the pod as a whole nor the container that holds its network.
		labels.MustNewMatcher(labels.MatchNotEqual, o.Labels.Container, ""),
		labels.MustNewMatcher(labels.MatchNotEqual, o.Labels.Container, "POD"),
	}
	pods, err := labels.NewMatcher(labels.MatchRegexp, o.Labels.Pod, PodNames(w))
	if err != nil {
		return nil, fmt.Errorf("the pods of %s %s/%s: %w", w.Kind, w.Namespace, w.Name, err)
	}
	matchers = append(matchers, pods)
	if o.EnvLabel != "" {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, o.EnvLabel, o.Environment))
	}
	return matchers, nil
}

// duration is a flag in Prometheus' form: 8d, 90m, 1h30m.
type duration struct{ d *time.Duration }

func newDuration(d *time.Duration) *duration { return &duration{d} }

func (d *duration) String() string {
	if d.d == nil {
		return ""
	}
	return model.Duration(*d.d).String()
}

func (d *duration) Set(s string) error {
	parsed, err := model.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%w; write it like 8d, 12h or 90m", err)
	}
	*d.d = time.Duration(parsed)
	return nil
}

func (*duration) Type() string { return "duration" }
