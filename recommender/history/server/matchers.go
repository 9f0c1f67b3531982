package server

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/strutil"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// filters are what the user lets through: they are part of every query, for usage and for owners.
func (o *Options) filters() []*labels.Matcher {
	var filters []*labels.Matcher
	if o.EnvLabel != "" {
		filters = append(filters, equal(o.EnvLabel, o.Environment))
	}
	return append(filters, o.Matchers...)
}

// matchers select the usage of containers in namespaces, all if there are none, whose pods' names match pods, all if
// it is empty. They are built by name and value and never as text, so that no value can be read as anything but itself.
func (o *Options) matchers(r usage.Resource, namespaces []string, pods string) ([]*labels.Matcher, error) {
	metric := o.CPUMetric
	if r == usage.Memory {
		metric = o.MemoryMetric
	}
	in, err := oneOf(o.Labels.Namespace, namespaces)
	if err != nil {
		return nil, err
	}
	all := []*labels.Matcher{equal(model.MetricNameLabel, metric), in}
	if pods != "" {
		m, err := labels.NewMatcher(labels.MatchRegexp, o.Labels.Pod, pods)
		if err != nil {
			return nil, fmt.Errorf("the names of pods: %w", err)
		}
		all = append(all, m)
	}
	// Neither the pod as a whole nor the container that holds its network.
	all = append(all, unequal(o.Labels.Container, ""), unequal(o.Labels.Container, "POD"))
	if o.Job != "" {
		all = append(all, equal(model.JobLabel, o.Job))
	}
	return append(all, o.filters()...), nil
}

func equal(name, value string) *labels.Matcher {
	return &labels.Matcher{Type: labels.MatchEqual, Name: name, Value: value}
}

func unequal(name, value string) *labels.Matcher {
	return &labels.Matcher{Type: labels.MatchNotEqual, Name: name, Value: value}
}

// oneOf matches each of the values literally, and any value but the empty one if there are none.
func oneOf(name string, values []string) (*labels.Matcher, error) {
	switch len(values) {
	case 0:
		return unequal(name, ""), nil
	case 1:
		return equal(name, values[0]), nil
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	m, err := labels.NewMatcher(labels.MatchRegexp, name, strings.Join(quoted, "|"))
	if err != nil {
		return nil, fmt.Errorf("values of %s: %w", name, err)
	}
	return m, nil
}

// selector is the text of matchers in PromQL.
func selector(matchers []*labels.Matcher) string { return "{" + texts(matchers) + "}" }

// texts are matchers as PromQL has them between its braces.
func texts(matchers []*labels.Matcher) string {
	all := make([]string, len(matchers))
	for i, m := range matchers {
		// PromQL takes this character for a byte that is none.
		all[i] = strings.ReplaceAll(m.String(), "\uFFFD", `\ufffd`)
	}
	return strings.Join(all, ",")
}

var (
	matcherForm = regexp.MustCompile(`(?s)^\s*([a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\]|\\.)*")\s*(=~|!~|!=|=)\s*(.*?)\s*$`)
	matchTypes  = map[string]labels.MatchType{
		"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp,
	}
)

// ParseMatcher reads one matcher as PromQL writes it: a label, an operator and a quoted value. A value that series
// without the label would match, too, is an error: it stands where somebody's variable was empty.
func ParseMatcher(s string) (*labels.Matcher, error) {
	parts := matcherForm.FindStringSubmatch(s)
	if parts == nil {
		return nil, fmt.Errorf(`%q is no matcher; write it like cluster=~"eu-.*", with one of = != =~ !~`, s)
	}
	name, operator, value := parts[1], parts[2], parts[3]
	if strings.HasPrefix(name, `"`) {
		unquoted, err := strutil.Unquote(name)
		if err != nil || unquoted == "" {
			return nil, fmt.Errorf(`%q names no label; write it like cluster=~"eu-.*"`, s)
		}
		name = unquoted
	}
	unquoted, err := strutil.Unquote(value)
	if err != nil {
		return nil, fmt.Errorf(`%q has no quotes around its value, or not the right ones; write it like %s%s"value"`, s, name, operator)
	}
	m, err := labels.NewMatcher(matchTypes[operator], name, unquoted)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	if err := sensible(m); err != nil {
		return nil, err
	}
	return m, nil
}

// sensible refuses what would let series without the label through.
func sensible(m *labels.Matcher) error {
	switch {
	case m.Type == labels.MatchNotEqual && m.Value == "":
		return nil // the label is there
	case strings.TrimSpace(m.Value) == "":
		return fmt.Errorf(`%s has an empty value and would match series without the label; give it one, or write %s!="" for any`, m, m.Name)
	case m.Type == labels.MatchRegexp && m.Matches(""):
		return fmt.Errorf(`%s matches the empty value, too, which is that of series without the label; write .+ for any`, m)
	}
	return nil
}
