package history

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var missingDesc = prometheus.NewDesc("vpa_recommender_history_missing_vpas", "VPAs that want the history of a namespace on a day (UTC) which is not read yet.",
	[]string{"namespace", "day"}, nil)

// Collector returns the metric that tells what is missing. It costs nothing between two scrapes.
func (l *Loader) Collector() prometheus.Collector { return collector{l} }

type collector struct{ loader *Loader }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { ch <- missingDesc }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.loader.Missing() {
		ch <- prometheus.MustNewConstMetric(missingDesc, prometheus.GaugeValue, float64(m.VPAs), m.Namespace, m.Day.Format(time.DateOnly))
	}
}
