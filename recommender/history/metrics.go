package history

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
