package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// maxValues is how many values of a label an error shows.
const maxValues = 10

// unfiltered are the options without what lets only a part through.
func (o *Options) unfiltered() *Options {
	all := *o
	all.EnvLabel, all.Matchers, all.Job = "", nil, ""
	return &all
}

// lookBehind is called where queries find nothing. Remote read may find it, because it knows Prometheus' external labels; if
// not, the error says what there is instead.
func (s *Server) lookBehind(ctx context.Context, now time.Time) (view, error) {
	s.metrics.series.WithLabelValues(usage.Memory.String()).Set(0)
	memory, err := s.options.unfiltered().matchers(usage.Memory, nil, "")
	if err != nil {
		return view{}, err
	}
	ago, count, err := s.newest(ctx, now, memory)
	if err != nil {
		return view{}, err
	}
	if count == 0 {
		return view{}, s.missing(ctx, now)
	}
	at := now.Add(-ago)
	filtered, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return view{}, err
	}
	streams, some, err := s.glimpse(ctx, filtered, at)
	if err != nil {
		return view{}, err
	}
	if !streams || !some {
		return view{}, s.filteredOut(ctx, at, memory, filtered)
	}
	if err := s.lookAtCPU(ctx, at, s.options.unfiltered()); err != nil {
		return view{}, err
	}
	return view{ago: ago, streams: true, hidden: true}, nil
}

// filteredOut is the error where the filters let nothing through of what there is.
func (s *Server) filteredOut(ctx context.Context, at time.Time, all, filtered []*labels.Matcher) error {
	filters := filtered[len(all):] // matchers has them at its end
	var instead []string
	for _, m := range filters {
		values, err := s.values(ctx, at, m.Name, all)
		if err != nil {
			return err
		}
		if !slices.Contains(instead, values) {
			instead = append(instead, values)
		}
	}
	return fmt.Errorf("%s has series of %s, but none that match %s: %s; check $%s, --prometheus-env-label and --prometheus-matcher."+
		" A label that Prometheus adds to what leaves it (external_labels) is not on its own series in queries: leave out that filter, or ask the server that the series are sent to",
		s.name, s.options.MemoryMetric, selector(filters), strings.Join(instead, ", "), EnvironmentVariable)
}

// values says which values series have of a label.
func (s *Server) values(ctx context.Context, at time.Time, label string, matchers []*labels.Matcher) (string, error) {
	rows, err := s.query(ctx, fmt.Sprintf("topk(%d,count by (%s) (%s))", maxValues+2, names(label), selector(matchers)), at)
	if err != nil {
		return "", err
	}
	var values []string
	for _, r := range rows {
		if v := r.labels[label]; v != "" {
			values = append(values, strconv.Quote(clip(v)))
		}
	}
	if len(values) == 0 {
		return "none has a label " + label, nil
	}
	more := ""
	if len(values) > maxValues {
		values, more = values[:maxValues], " and others"
	}
	slices.Sort(values)
	return label + " is " + strings.Join(values, " or ") + more, nil
}

// missing is the error where there are no series of the memory metric that say whose they are.
func (s *Server) missing(ctx context.Context, now time.Time) error {
	metric := equal(model.MetricNameLabel, s.options.MemoryMetric)
	ago, count, err := s.newest(ctx, now, []*labels.Matcher{metric})
	if err != nil {
		return err
	}
	if count == 0 {
		return fmt.Errorf("%s has no series of %s within %v; check --history-memory-metric=%q and --prometheus-address, and whether the kubelets' cAdvisor is scraped",
			s.name, s.options.MemoryMetric, model.Duration(lookBack[len(lookBack)-1]), s.options.MemoryMetric)
	}
	faults, err := s.strangeLabels(ctx, metric, now.Add(-ago))
	if err != nil {
		return err
	}
	if faults == nil {
		faults = []string{"none of a container has all of the labels " + names(s.options.Labels.Namespace, s.options.Labels.Pod, s.options.Labels.Container)}
	}
	return fmt.Errorf("%s has series of %s, but none that says whose it is: %s", s.name, s.options.MemoryMetric, strings.Join(faults, "; "))
}

// strangeLabels says which labels the series do not have that they should, and what they may be called instead.
func (s *Server) strangeLabels(ctx context.Context, metric *labels.Matcher, at time.Time) ([]string, error) {
	there := func(label string) (bool, error) {
		count, err := s.scalar(ctx, "count("+selector([]*labels.Matcher{metric, unequal(label, "")})+")", at)
		return count > 0, err
	}
	var faults []string
	for _, one := range []struct {
		flag, label string
		others      []string
	}{
		{"container-namespace-label", s.options.Labels.Namespace, []string{"namespace", "kubernetes_namespace", "exported_namespace"}},
		{"container-pod-name-label", s.options.Labels.Pod, []string{"pod", "pod_name", "kubernetes_pod_name", "exported_pod"}},
		{"container-name-label", s.options.Labels.Container, []string{"container", "container_name", "exported_container"}},
	} {
		is, err := there(one.label)
		if err != nil {
			return nil, err
		}
		if is {
			continue
		}
		fault := fmt.Sprintf("none has a label %s; set --%s to the one they have", one.label, one.flag)
		for _, other := range one.others {
			is, err := there(other)
			if err != nil {
				return nil, err
			}
			if is {
				fault = fmt.Sprintf("they have %s, not %s; set --%s=%s", other, one.label, one.flag, other)
				break
			}
		}
		faults = append(faults, fault)
	}
	return faults, nil
}
