package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// findOthers counts, for each label that is filtered by, how many values of it the server has for the very containers that
// the filters let through. With more than one, others share their names, and the filter is what keeps them apart.
func (s *Server) findOthers(ctx context.Context, _ *view, at time.Time) error {
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return err
	}
	of := s.options.Labels
	container := names(of.Namespace, of.Pod, of.Container)
	for _, label := range s.filtered() {
		values, err := s.scalar(ctx, fmt.Sprintf("count(count by (%s) (%s and on (%s) %s))",
			names(label), selector(without(memory, label)), container, selector(memory)), at)
		if err != nil {
			return err
		}
		s.metrics.filters.WithLabelValues(label).Set(values)
		filters := on(s.options.filters(), label)
		read, err := s.mixed(ctx, label, filters, memory, at)
		if err != nil {
			return err
		}
		s.metrics.mixed.WithLabelValues(label).Set(read)
		if values > read {
			s.say("others "+label, fmt.Sprintf("%v values of %s answer for the same pods; only %s is read", values, label, texts(filters)))
		}
		if read > 1 {
			s.say("mixed "+label, fmt.Sprintf("%s lets %v values of %s through for the same pods: whichever used most counts as their usage; filter so that one is left, if they are not the same pods",
				texts(filters), read, label))
		}
	}
	return nil
}

// mixed is how many values of a label its filters let through for one container, at the most. They are read as one.
func (s *Server) mixed(ctx context.Context, label string, filters, memory []*labels.Matcher, at time.Time) (float64, error) {
	if slices.ContainsFunc(filters, func(m *labels.Matcher) bool { return m.Type == labels.MatchEqual }) {
		return 1, nil
	}
	of := s.options.Labels
	return s.scalar(ctx, fmt.Sprintf("max(count by (%s) (count by (%s) (%s)))",
		names(of.Namespace, of.Pod, of.Container), names(of.Namespace, of.Pod, of.Container, label), selector(memory)), at)
}

// filtered are the labels of the filters, each once, in their order.
func (s *Server) filtered() []string {
	var all []string
	for _, m := range s.options.filters() {
		if !slices.Contains(all, m.Name) {
			all = append(all, m.Name)
		}
	}
	return all
}

// without are the matchers of all labels but one.
func without(matchers []*labels.Matcher, label string) []*labels.Matcher {
	return slices.DeleteFunc(slices.Clone(matchers), func(m *labels.Matcher) bool { return m.Name == label })
}

// on are the matchers of one label.
func on(matchers []*labels.Matcher, label string) []*labels.Matcher {
	return slices.DeleteFunc(slices.Clone(matchers), func(m *labels.Matcher) bool { return m.Name != label })
}

// names are labels as a list in PromQL.
func names(labels ...string) string {
	quoted := make([]string, len(labels))
	for i, l := range labels {
		quoted[i] = strings.TrimSuffix(equal(l, "").String(), `=""`)
	}
	return strings.Join(quoted, ",")
}
