package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	age = prometheus.NewDesc("sartor_admission_watch_age_seconds",
		"Time since the API server was last heard of by the watch of that kind: a minute at most while all is well. Absent until it was.", []string{"kind"}, nil)
	selectors = prometheus.NewDesc("sartor_admission_selectors",
		"Targets of VPAs by whether it is known which pods they select. Of unknown ones all pods are patched.", []string{"state"}, nil)
	selectorReads = prometheus.NewDesc("sartor_admission_selector_reads_total",
		"Reads of what targets of VPAs select, by result.", []string{"result"}, nil)
	selectorUnknown = prometheus.NewDesc("sartor_admission_selector_unknown_total",
		"Pods that were matched by their controller alone, for it could not be known whether it selects them.", nil, nil)
)

var _ prometheus.Collector = (*watches)(nil)

// Describe implements prometheus.Collector.
func (w *watches) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{age, selectors, selectorReads, selectorUnknown} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (w *watches) Collect(metrics chan<- prometheus.Metric) {
	for _, one := range w.all {
		if heard := one.Heard(); !heard.IsZero() {
			metrics <- prometheus.MustNewConstMetric(age, prometheus.GaugeValue, time.Since(heard).Seconds(), one.Kind())
		}
	}
	f := w.selectors.Figures()
	metrics <- prometheus.MustNewConstMetric(selectors, prometheus.GaugeValue, float64(f.Known), "known")
	metrics <- prometheus.MustNewConstMetric(selectors, prometheus.GaugeValue, float64(f.Unknown), "unknown")
	metrics <- prometheus.MustNewConstMetric(selectorReads, prometheus.CounterValue, float64(f.Read-f.Failed), "ok")
	metrics <- prometheus.MustNewConstMetric(selectorReads, prometheus.CounterValue, float64(f.Failed), "failed")
	metrics <- prometheus.MustNewConstMetric(selectorUnknown, prometheus.CounterValue, float64(f.Pods))
}
