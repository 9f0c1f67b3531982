package server

import (
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/spf13/pflag"
)

// UpstreamAddress is where upstream's recommender looks for Prometheus unless it is told otherwise.
const UpstreamAddress = "http://prometheus.monitoring.svc"

// EnvironmentVariable holds the value that the environment label must have, LabelVariable the label's name where the flag
// does not: a manifest can leave a variable empty, and not a flag.
const (
	EnvironmentVariable = "K8S_ENVIRONMENT"
	LabelVariable       = "PROMETHEUS_ENV_LABEL"
)

// Labels are the names of the labels that say whose usage a series is.
type Labels struct {
	Namespace, Pod, Container string
}

// Options say where history is, which part of it is ours, and how much may be asked for at once.
type Options struct {
	// Address is the server's URL; empty means that there is no history.
	Address string
	// EnvLabel names the label that tells environments apart which share one server; empty means that the
	// server has only one. Environment is the value it must have.
	EnvLabel, Environment string
	// Matchers must all match, beside EnvLabel; see ParseMatcher. A label may have several.
	Matchers []*labels.Matcher
	// Job is the value that the job label of usage must have; empty means any.
	Job string
	// HTTPConfigFile is a file in the form of Prometheus' HTTP client configuration: authentication, TLS, proxy,
	// headers. Empty means none of these, but for what Auth says.
	HTTPConfigFile string
	// Auth takes the place of HTTPConfigFile; not both may be set.
	Auth Auth
	// Length is how far back history is read; QueryTimeout is how long one request may take.
	Length, QueryTimeout time.Duration
	// Resolution is the step of query_range where the server has no streamed remote read: whole minutes that divide a
	// day, an hour at most.
	Resolution time.Duration
	// CPUMetric is a counter of seconds, MemoryMetric a gauge of bytes.
	CPUMetric, MemoryMetric string
	Labels                  Labels
	// Concurrency is how many requests run at once.
	Concurrency int
	// QPS is how many requests start in a second at most; above 0.
	QPS float64
	// MaxSeries is how many series one query is planned to read; MaxSamples is how many samples an answer may have.
	MaxSeries, MaxSamples int
}

// DefaultOptions have upstream's values, and today's cAdvisor's names where upstream's no longer exist.
func DefaultOptions() Options {
	return Options{
		EnvLabel:     os.Getenv(LabelVariable),
		Environment:  os.Getenv(EnvironmentVariable),
		Auth:         Auth{fallback: login{os.Getenv("PROMETHEUS_USERNAME"), os.Getenv("PROMETHEUS_PASSWORD")}},
		Length:       8 * 24 * time.Hour,
		QueryTimeout: 5 * time.Minute,
		Resolution:   5 * time.Minute,
		CPUMetric:    "container_cpu_usage_seconds_total",
		MemoryMetric: "container_memory_working_set_bytes",
		Labels:       Labels{Namespace: "namespace", Pod: "pod", Container: "container"},
		Concurrency:  2,
		QPS:          50,
		MaxSeries:    4000,
		MaxSamples:   50_000_000, // what Prometheus gives at most unless it is told otherwise
	}
}

// AddFlags registers the flags, with o's fields as defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Address, "prometheus-address", o.Address, "URL of the server with the history of usage: Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics. Empty: no history.")
	fs.Var(newLabelName(&o.EnvLabel), "prometheus-env-label", "Label that tells environments apart which share the server. Only series whose label has the value of $"+EnvironmentVariable+" are read. $"+LabelVariable+" names it, too. Not set: no filter.")
	fs.Var(newMatchers(&o.Matchers), "prometheus-matcher", `Only series that this matches are read, like 'cluster=~"eu-.*"' (=, !=, =~, !~). Repeat it for more that must hold, too.`)
	fs.StringVar(&o.Job, "prometheus-cadvisor-job-name", o.Job, "Only usage that this job scraped is read. Empty: any; what two jobs measured counts once.")
	fs.StringVar(&o.HTTPConfigFile, "prometheus-http-config", o.HTTPConfigFile, "File with authentication, TLS, proxy and headers for the server, in the form of Prometheus' HTTP client configuration.")
	o.Auth.addFlags(fs)
	fs.Var(newDuration(&o.Length), "history-length", "How far back history is read.")
	fs.Var(newDuration(&o.Resolution), "history-resolution", "Step at which history is read from a server without streamed remote read. Others give it at the resolution that they store.")
	fs.Var(newDuration(&o.QueryTimeout), "prometheus-query-timeout", "How long one request for history may take.")
	fs.StringVar(&o.CPUMetric, "history-cpu-metric", o.CPUMetric, "Counter of the CPU seconds that a container used.")
	fs.StringVar(&o.MemoryMetric, "history-memory-metric", o.MemoryMetric, "Gauge of the bytes of memory that a container uses.")
	fs.StringVar(&o.Labels.Namespace, "container-namespace-label", o.Labels.Namespace, "Label of these metrics that names the namespace.")
	fs.StringVar(&o.Labels.Pod, "container-pod-name-label", o.Labels.Pod, "Label of these metrics that names the pod.")
	fs.StringVar(&o.Labels.Container, "container-name-label", o.Labels.Container, "Label of these metrics that names the container.")
	fs.IntVar(&o.Concurrency, "prometheus-concurrency", o.Concurrency, "How many requests for history run at once.")
	fs.Float64Var(&o.QPS, "prometheus-qps", o.QPS, "How many requests for history start in a second at most.")
	fs.IntVar(&o.MaxSeries, "prometheus-max-series", o.MaxSeries, "How many series one request for history asks for at most, as far as that is known beforehand.")
	fs.IntVar(&o.MaxSamples, "prometheus-max-samples", o.MaxSamples, "How many samples the answer to one request for history may have. What has more is asked for in parts.")
}
