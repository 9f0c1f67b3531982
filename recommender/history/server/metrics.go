package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Instrument makes client count and time its requests, under upstream's names.
func Instrument(client *http.Client, r prometheus.Registerer) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "vpa_recommender", Name: "prometheus_client_api_requests_count", Help: "Number of requests to a Prometheus API",
	}, []string{"code", "method"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "vpa_recommender", Name: "prometheus_client_api_requests_duration_seconds", Help: "Duration of requests to a Prometheus API",
		Buckets: []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 5, 10, 20, 30, 60, 120, 300},
	}, []string{"code", "method"})
	r.MustRegister(requests, durations)
	client.Transport = promhttp.InstrumentRoundTripperCounter(requests, promhttp.InstrumentRoundTripperDuration(durations, client.Transport))
}

// metrics say how the reading of history goes.
type metrics struct {
	queries, dropped *prometheus.CounterVec
	samples, bytes   prometheus.Counter
	// mixed are the values of a filter's label that are read as one.
	series, filters, mixed *prometheus.GaugeVec
	remoteRead             prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "vpa_recommender", Subsystem: "history", Name: name, Help: help}
	}
	gauge := func(name, help string) prometheus.GaugeOpts { return prometheus.GaugeOpts(counter(name, help)) }
	m := &metrics{
		queries:    prometheus.NewCounterVec(counter("queries_total", "Questions that the server with the history was asked, by API (remote_read, query_range, query, series) and result (ok, too_large, denied, busy, failed)."), []string{"api", "result"}),
		dropped:    prometheus.NewCounterVec(counter("values_dropped_total", "Values of history that were read and not used, by reason."), []string{"reason"}),
		samples:    prometheus.NewCounter(counter("samples_total", "Values of history that were read.")),
		bytes:      prometheus.NewCounter(counter("read_bytes_total", "Bytes of answers that were read from the server with the history.")),
		series:     prometheus.NewGaugeVec(gauge("series", "Series of usage that the server had under the filters when it was last looked at, by resource."), []string{"resource"}),
		filters:    prometheus.NewGaugeVec(gauge("filter_values", "Values of a filter's label that the server has for pods of ours when the filter is left out; above 1, others share their names."), []string{"label"}),
		mixed:      prometheus.NewGaugeVec(gauge("filter_mixed_values", "Values of a filter's label that the filters let through for one container, at the most; above 1, what others use counts as its usage."), []string{"label"}),
		remoteRead: prometheus.NewGauge(gauge("remote_read", "1 if history is read by streamed remote read, 0 if by query_range.")),
	}
	r.MustRegister(m.queries, m.dropped, m.samples, m.bytes, m.series, m.filters, m.mixed, m.remoteRead)
	return m
}
