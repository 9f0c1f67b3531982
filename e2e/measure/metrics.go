// Package measure reads what programs tell of themselves, and what the kernel tells of them.
package measure

import (
	"context"
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are those of one program at one moment, by name.
type Metrics map[string]*dto.MetricFamily

// Scrape reads the metrics at url, which ends in /metrics as a rule.
func Scrape(ctx context.Context, url string) (Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: GET %s: %s", url, response.Status)
	}
	return Parse(response.Body)
}

// Parse reads metrics in Prometheus' text format.
func Parse(r io.Reader) (Metrics, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return families, nil
}

// Labels are names and values that a series must have; it may have more.
type Labels map[string]string

// Value is the sum of the counters or gauges of that name with these labels, 0 if there are none.
func (m Metrics) Value(name string, labels Labels) float64 {
	sum := 0.0
	m.each(name, labels, func(s *dto.Metric) {
		sum += s.GetCounter().GetValue() + s.GetGauge().GetValue() + s.GetUntyped().GetValue()
	})
	return sum
}

// Observed is how often and how much the histograms of that name with these labels observed in all.
func (m Metrics) Observed(name string, labels Labels) (count uint64, sum float64) {
	m.each(name, labels, func(s *dto.Metric) {
		count += s.GetHistogram().GetSampleCount()
		sum += s.GetHistogram().GetSampleSum()
	})
	return count, sum
}

func (m Metrics) each(name string, labels Labels, do func(*dto.Metric)) {
	for _, series := range m[name].GetMetric() {
		found := 0
		for _, pair := range series.GetLabel() {
			if want, ok := labels[pair.GetName()]; ok && want == pair.GetValue() {
				found++
			}
		}
		if found == len(labels) {
			do(series)
		}
	}
}
