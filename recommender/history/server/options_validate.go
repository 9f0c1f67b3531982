package server

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/sartor-vpa/sartor/pkg/flags"
)

// Validate reports every option that cannot be used, by flag and value.
func (o *Options) Validate() error {
	if o.Address == "" {
		return flags.Problems(
			flags.Check{OK: o.EnvLabel == "", Flag: "prometheus-env-label", Value: o.EnvLabel, Must: "needs --prometheus-address"},
			flags.Check{OK: len(o.Matchers) == 0, Flag: "prometheus-matcher", Value: newMatchers(&o.Matchers).String(), Must: "needs --prometheus-address"})
	}
	must := fmt.Sprintf("$%s is empty; set it to this cluster's value of that label, or every environment's history would be mixed", EnvironmentVariable)
	checks := []flags.Check{
		{OK: isAddress(o.Address), Flag: "prometheus-address", Value: redacted(o.Address), Must: "must be an http or https URL, like http://prometheus.monitoring.svc:9090"},
		{OK: o.EnvLabel == "" || strings.TrimSpace(o.Environment) != "", Flag: "prometheus-env-label", Value: o.EnvLabel, Must: must},
		{OK: o.Length > 0, Flag: "history-length", Value: model.Duration(o.Length), Must: "must be longer than 0"},
		{OK: o.QueryTimeout > 0, Flag: "prometheus-query-timeout", Value: model.Duration(o.QueryTimeout), Must: "must be longer than 0"},
		{OK: isStep(o.Resolution), Flag: "history-resolution", Value: model.Duration(o.Resolution), Must: "must be whole minutes that divide a day, from 1m to 1h, like 1m, 5m or 15m"},
		{OK: o.Concurrency >= 1, Flag: "prometheus-concurrency", Value: o.Concurrency, Must: "must be at least 1"},
		{OK: o.QPS > 0, Flag: "prometheus-qps", Value: o.QPS, Must: "must be above 0"},
		{OK: o.MaxSeries >= 1, Flag: "prometheus-max-series", Value: o.MaxSeries, Must: "must be at least 1"},
		{OK: o.MaxSamples >= 1, Flag: "prometheus-max-samples", Value: o.MaxSamples, Must: "must be at least 1"},
	}
	for _, name := range []struct{ flag, value string }{
		{"history-cpu-metric", o.CPUMetric}, {"history-memory-metric", o.MemoryMetric},
		{"container-namespace-label", o.Labels.Namespace}, {"container-pod-name-label", o.Labels.Pod}, {"container-name-label", o.Labels.Container},
	} {
		checks = append(checks, flags.Check{OK: model.UTF8Validation.IsValidMetricName(name.value), Flag: name.flag, Value: name.value, Must: "must be a name"})
	}
	checks = append(checks, o.reserved("prometheus-env-label", o.EnvLabel, o.EnvLabel))
	for _, m := range o.Matchers {
		checks = append(checks, o.reserved("prometheus-matcher", m.Name, m.String()))
	}
	return flags.Problems(append(checks, o.Auth.checks(o.HTTPConfigFile)...)...)
}

// reserved refuses a filter by a label that says which pod a series is of. Each query has these labels already, and
// kube-state-metrics', which gets the filters too, means other things by some of them.
func (o *Options) reserved(flag, label, value string) flags.Check {
	ours := []string{model.MetricNameLabel, o.Labels.Namespace, o.Labels.Pod, o.Labels.Container}
	return flags.Check{OK: !slices.Contains(ours, label) || label == "", Flag: flag, Value: value,
		Must: fmt.Sprintf("must be about another label than %q: which pods are read is what the VPAs say", label)}
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func isStep(d time.Duration) bool {
	return d >= time.Minute && d <= time.Hour && d%time.Minute == 0 && 24*time.Hour%d == 0
}

// redacted is an address that is no URL as messages may show it.
func redacted(address string) string {
	if strings.ContainsAny(address, "@?#") {
		return "(not shown: it may hold a password)"
	}
	return address
}
