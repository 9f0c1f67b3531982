package server

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// matrix reads the answer to a range query as it comes. What is known of it at a time is one series.
//
//	{"status": "success", "data": {"resultType": "matrix", "result": [
//	  {"metric": {LABEL: VALUE}, "values": [[SECONDS, "VALUE"]]}]}}
//
// Keys may come in any order; unknown ones are skipped; two equal ones are an error, as are values of another type.
type matrix struct {
	dec      *jsontext.Decoder
	shard    *shard
	resource usage.Resource
	// step is in minutes.
	step   int64
	labels Labels

	status, message, kind string
	// warning is the first that says that something is missing.
	warning []string
	partial bool

	// begun: the open series' metric is known. held are its values if they came before.
	begun bool
	held  []byte
	of    [3][]byte
}

// matrix reads all of an answer about one resource.
func (s *shard) matrix(body io.Reader, resource usage.Resource, step time.Duration, labels Labels) error {
	bound := &tokenBound{body: body}
	bound.dec = jsontext.NewDecoder(bound)
	m := &matrix{dec: bound.dec, shard: s, resource: resource, step: int64(step / time.Minute), labels: labels}
	if err := m.object("an answer", m.field); err != nil {
		return err
	}
	if _, err := m.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return cmp.Or(notJSON(err), errors.New("something follows the answer"))
	}
	if err := whether(m.status, m.message, m.warning, m.partial); err != nil {
		return err
	}
	if m.kind != "matrix" {
		return fmt.Errorf("it is a %q, not a matrix", clip(steady(m.kind)))
	}
	return nil
}

func (m *matrix) field(key string) (err error) {
	switch key {
	case "status":
		m.status, err = m.text(key)
	case "error":
		m.message, err = m.text(key)
	case "isPartial":
		err = m.isPartial()
	case "warnings":
		err = m.array(key, m.warn)
	case "data":
		if m.dec.PeekKind() == jsontext.KindNull { // where there is an error
			return notJSON(m.dec.SkipValue())
		}
		err = m.object(key, m.data)
	default:
		err = notJSON(m.dec.SkipValue())
	}
	return err
}

// warn reads one warning. What Prometheus' engine says of the data, that a counter is not called one, takes nothing away;
// Thanos warns of stores that did not answer.
func (m *matrix) warn() error {
	text, err := m.text("warnings")
	if err == nil && m.warning == nil && !strings.HasPrefix(text, "PromQL info: ") && !strings.HasPrefix(text, "PromQL warning: ") {
		m.warning = []string{text}
	}
	return err
}

func (m *matrix) isPartial() error {
	token, err := m.dec.ReadToken()
	switch {
	case err != nil:
		return notJSON(err)
	case token.Kind() != jsontext.KindTrue && token.Kind() != jsontext.KindFalse:
		return wrongType("isPartial")
	}
	m.partial = token.Bool()
	return nil
}

func (m *matrix) data(key string) (err error) {
	switch key {
	case "resultType":
		m.kind, err = m.text(key)
	case "result":
		err = m.array(key, m.series)
	default:
		err = notJSON(m.dec.SkipValue())
	}
	return err
}

func (m *matrix) series() error {
	m.begun, m.held = false, m.held[:0]
	if err := m.object("a series", m.part); err != nil {
		return err
	}
	if !m.begun {
		return errors.New("a series has no metric")
	}
	m.shard.end()
	return nil
}

func (m *matrix) part(key string) error {
	switch key {
	case "metric":
		return m.metric()
	case "values":
		raw, err := m.dec.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		if m.begun {
			return m.values(raw)
		}
		m.held = append(m.held, raw...)
		return nil
	case "histograms":
		return m.array(key, func() error {
			m.shard.dropped[histogram]++
			return notJSON(m.dec.SkipValue())
		})
	}
	return notJSON(m.dec.SkipValue())
}

// metric reads the labels of a series, and opens it.
func (m *matrix) metric() error {
	m.of = [3][]byte{}
	if err := m.object("metric", m.label); err != nil {
		return err
	}
	sink, err := m.shard.sink(m.of[0], m.of[1], m.of[2])
	if err != nil {
		return err
	}
	m.shard.begin(m.resource, sink)
	m.begun = true
	if len(m.held) > 0 {
		return m.values(m.held)
	}
	return nil
}

func (m *matrix) label(key string) error {
	value, err := m.text("metric")
	switch key {
	case m.labels.Namespace:
		m.of[0] = []byte(value)
	case m.labels.Pod:
		m.of[1] = []byte(value)
	case m.labels.Container:
		m.of[2] = []byte(value)
	}
	return err
}

// values reads the values of the open series.
func (m *matrix) values(raw []byte) error {
	n := 0
	last := math.Inf(-1)
	err := eachPair(raw, func(seconds, v float64) {
		n++
		if seconds <= last {
			m.shard.dropped[outOfOrder]++
			return
		}
		last = seconds
		m.shard.stepped(seconds, v, m.step)
	})
	if err != nil {
		return err
	}
	return m.shard.count(n)
}

// stepped takes what the open series says of the step (in minutes) that ends at a time (in seconds since 1970).
//
// CPU is an average: each minute of the step has it. The largest memory was in one of its minutes, nobody knows in which;
// it is put into the first. An interval of memory begins with a container's first minute, which is a step's first, then, and
// is as long as many steps: so its ends fall between steps, and no step's memory lies in two.
func (s *shard) stepped(seconds, v float64, step int64) {
	since := math.Round(seconds*1000) - float64(s.from)
	if s.open.sink == nil || since <= 0 || since >= float64(s.to-s.from+step*minute) {
		return
	}
	end := (int64(since) + minute - 1) / minute
	first, behind := max(end-step, 0), min(end, int64(s.minutes))
	if first >= behind {
		return
	}
	reason := s.unusable(v)
	switch {
	case reason != "":
	case s.open.resource == usage.Memory:
		reason = s.open.gauge.judge(point{s.from + int64(since), v})
	case v > maxCores:
		reason = absurd
	}
	switch {
	case reason != "":
		s.dropped[reason]++
	case s.open.resource == usage.Memory:
		s.peak(int32(first), v)
	default:
		average := millicores(v)
		for i := first; i < behind; i++ {
			s.open.sink.cpu[i] = max(s.open.sink.cpu[i], average)
		}
	}
}
