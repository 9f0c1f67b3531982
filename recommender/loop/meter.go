package loop

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

// namespace begins the names of upstream's metrics, which ours continue.
const namespace = "vpa_recommender"

// Meter counts what the loop does. Names and labels are upstream's where upstream has the metric.
type Meter struct {
	latency     prometheus.Histogram
	steps       *prometheus.HistogramVec
	aggregates  prometheus.Gauge
	responses   *prometheus.CounterVec
	dropped     *prometheus.CounterVec
	newest      prometheus.Gauge
	writes      *prometheus.CounterVec
	waiting     *prometheus.GaugeVec
	ooms        prometheus.Counter
	panics      prometheus.Counter
	checkpoints prometheus.Counter
	history     *prometheus.GaugeVec
	replaced    prometheus.Counter
}

// NewMeter registers the metrics with r.
func NewMeter(r prometheus.Registerer) *Meter {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	m := &Meter{
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "recommendation_latency_seconds",
			Help:    "Time elapsed from creating a valid VPA configuration to the first recommendation.",
			Buckets: []float64{1, 2, 5, 7.5, 10, 20, 30, 40, 50, 60, 90, 120, 150, 180, 240, 300, 600, 900, 1800},
		}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "execution_latency_seconds",
			Help:    "Time spent in various parts of VPA Recommender main loop.",
			Buckets: []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 150, 240, 300},
		}, []string{"step"}),
		aggregates: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "aggregate_container_states_count",
			Help: "Number of aggregate container states being tracked by the recommender",
		}),
		responses:   counter("metric_server_responses", "Count of responses to queries to metrics server", "is_error", "client_name"),
		dropped:     counter("metric_server_values_dropped_total", "Values of the metrics API that were not used, by reason.", "reason"),
		newest:      gauge("metric_server_newest_sample_timestamp_seconds", "Time of the newest sample of the last answer of the metrics API.").WithLabelValues(),
		writes:      counter("writes_total", "Objects written to the API server, and attempts that failed.", "kind", "result"),
		waiting:     gauge("writes_waiting", "Objects that wait to be written to the API server.", "kind"),
		ooms:        counter("ooms_total", "OOM kills and evictions that raised a container's memory.").WithLabelValues(),
		panics:      counter("vpa_errors_total", "VPAs that were left as they were in a round, because of an error of this program.").WithLabelValues(),
		checkpoints: counter("checkpoints_unusable_total", "Checkpoints that could not be read.").WithLabelValues(),
	}
	m.history = gauge("history_vpas", "VPAs by how far the reading of their history from Prometheus has come.", "state")
	m.replaced = counter("recent_samples_total", "Samples that live metrics did not bring and Prometheus did.").WithLabelValues()
	// Counted from 0, or the first failure would be seen by nobody: an increase needs something before it.
	for _, kind := range []string{kindStatus, kindCheckpoint} {
		m.wrote(kind, 0)
		m.writes.WithLabelValues(kind, "error")
	}
	m.responses.WithLabelValues("true", clientName)
	m.responses.WithLabelValues("false", clientName)
	r.MustRegister(m.history, m.replaced, m.latency, m.steps, m.aggregates, m.responses, m.dropped, m.newest, m.writes, m.waiting, m.ooms, m.panics, m.checkpoints)
	return m
}

// clientName is what upstream calls metrics-server in its metrics.
const clientName = "metrics-server"

// Kinds of what is written.
const (
	kindStatus     = "status"
	kindCheckpoint = "checkpoint"
)

// step measures from now until what it returns is called.
func (m *Meter) step(name string) (done func()) {
	begin := time.Now()
	return func() { m.steps.WithLabelValues(name).Observe(time.Since(begin).Seconds()) }
}

// state shows what there is after a round.
func (m *Meter) state(l *Loop) {
	aggregates, read := 0, map[pastState]int{}
	for _, t := range l.vpas {
		aggregates += t.usage.Len()
		read[t.past.state]++
	}
	for state, name := range states {
		m.history.WithLabelValues(name).Set(float64(read[pastState(state)]))
	}
	m.aggregates.Set(float64(aggregates))
	m.waiting.WithLabelValues(kindStatus).Set(float64(len(l.backlog.statuses)))
	m.waiting.WithLabelValues(kindCheckpoint).Set(float64(len(l.backlog.checkpoints)))
}

// live counts an answer of the metrics API.
func (m *Meter) live(round podmetrics.Round, err error, ahead int) {
	failed := "false"
	if err != nil {
		failed = "true"
	}
	m.responses.WithLabelValues(failed, clientName).Inc()
	for reason, n := range round.Dropped {
		m.dropped.WithLabelValues(string(reason)).Add(float64(n))
	}
	m.dropped.WithLabelValues("from-the-future").Add(float64(ahead))
	if !round.Newest.IsZero() {
		m.newest.Set(float64(round.Newest.Unix()))
	}
}

func (m *Meter) wrote(kind string, n int) { m.writes.WithLabelValues(kind, "ok").Add(float64(n)) }
func (m *Meter) writeFailed(kind string)  { m.writes.WithLabelValues(kind, "error").Inc() }
