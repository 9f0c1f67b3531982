package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// duration is a flag in Prometheus' form: 8d, 90m, 1h30m.
type duration struct{ d *time.Duration }

func newDuration(d *time.Duration) *duration { return &duration{d} }

func (d *duration) String() string {
	if d.d == nil {
		return ""
	}
	return model.Duration(*d.d).String()
}

func (d *duration) Set(s string) error {
	parsed, err := model.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%w; write it like 8d, 12h or 90m", err)
	}
	*d.d = time.Duration(parsed)
	return nil
}

func (*duration) Type() string { return "duration" }

// labelName is a flag that is not set to nothing: who writes it wants a filter, and a variable of his is empty.
type labelName struct{ name *string }

func newLabelName(name *string) *labelName { return &labelName{name} }

func (l *labelName) String() string {
	if l.name == nil {
		return ""
	}
	return *l.name
}

func (l *labelName) Set(s string) error {
	if s == "" {
		return errors.New("must name a label; leave the flag out where there is nothing to filter")
	}
	*l.name = s
	return nil
}

func (*labelName) Type() string { return "string" }

// matchers are a flag that may be given several times.
type matchers struct{ all *[]*labels.Matcher }

func newMatchers(all *[]*labels.Matcher) *matchers { return &matchers{all} }

func (m *matchers) String() string {
	if m.all == nil {
		return ""
	}
	return texts(*m.all)
}

func (m *matchers) Set(s string) error {
	parsed, err := ParseMatcher(s)
	if err != nil {
		return err
	}
	*m.all = append(*m.all, parsed)
	return nil
}

func (*matchers) Type() string { return "matcher" }
