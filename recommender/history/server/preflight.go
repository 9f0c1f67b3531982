package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"regexp"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// lookBack is how long ago series of ours are looked for, one after the other: history is wanted, too, if a server has
// received nothing for a while, or its clock is behind ours.
var lookBack = [...]time.Duration{0, time.Hour, 6 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour}

// view is what was found of a server.
type view struct {
	// ago is how long before now the server has series of ours.
	ago time.Duration
	// hidden: the filters match in remote read alone, because Prometheus adds the label only to what leaves it.
	hidden bool
	// namespaces is kube-state-metrics' label of the namespace that it tells of; empty: the server has no such series.
	namespaces string
}

// Prepare finds out what the server offers, and whether it has any series under the filters.
func (s *Server) Prepare(ctx context.Context) error {
	v, err := s.look(ctx)
	if err != nil {
		return fmt.Errorf("looking for history: %w", err)
	}
	if !v.hidden {
		s.lookAround(ctx, &v)
	}
	s.seen.Store(&v)
	s.say("found", "History is there", "server", s.name, "filters", texts(s.options.filters()), "endedAgo", v.ago,
		"remoteRead", s.streams.Load(), "kubeStateMetrics", v.namespaces != "", "scrapeInterval", s.scrapeInterval())
	return nil
}

// look finds the newest series of ours, and chooses how to read them.
func (s *Server) look(ctx context.Context) (view, error) {
	now := s.now()
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return view{}, err
	}
	ago, count, err := s.newest(ctx, now, memory)
	if err != nil {
		return view{}, err
	}
	if count == 0 {
		return s.lookBehind(ctx, now)
	}
	at := now.Add(-ago)
	s.metrics.series.WithLabelValues(usage.Memory.String()).Set(count)
	if err := s.lookAtCPU(ctx, at, &s.options); err != nil {
		return view{}, err
	}
	streams, err := s.tryRemoteRead(ctx, at)
	if err != nil {
		return view{}, err
	}
	s.setStreams(streams)
	return view{ago: ago}, nil
}

// lookAtCPU makes sure that there is CPU usage, too.
func (s *Server) lookAtCPU(ctx context.Context, at time.Time, o *Options) error {
	cpu, err := o.matchers(usage.CPU, nil, "")
	if err != nil {
		return err
	}
	count, err := s.scalar(ctx, "count("+selector(cpu)+")", at)
	if err != nil {
		return err
	}
	s.metrics.series.WithLabelValues(usage.CPU.String()).Set(count)
	if count == 0 {
		return fmt.Errorf("%s has series of %s and none of %s; check --history-cpu-metric=%q, and whether the rules of the scrape drop it",
			s.name, s.options.MemoryMetric, s.options.CPUMetric, s.options.CPUMetric)
	}
	return nil
}

// newest is how long ago there were series that match, and how many; none are 0.
func (s *Server) newest(ctx context.Context, now time.Time, matchers []*labels.Matcher) (ago time.Duration, count float64, err error) {
	for _, ago := range lookBack {
		count, err := s.scalar(ctx, "count("+selector(matchers)+")", now.Add(-ago))
		if err != nil || count > 0 {
			return ago, count, err
		}
	}
	return 0, 0, nil
}

// tryRemoteRead reports whether the server streams by remote read what it has by PromQL. It reads one series of ours: where
// a label is one of Prometheus' external labels and that of series, too, remote read means the other.
func (s *Server) tryRemoteRead(ctx context.Context, at time.Time) (bool, error) {
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return false, err
	}
	rows, err := s.query(ctx, "topk(1,"+selector(memory)+")", at)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	of := rows[0].labels
	one, err := s.options.matchers(usage.Memory, []string{of[s.options.Labels.Namespace]}, regexp.QuoteMeta(of[s.options.Labels.Pod]))
	if err != nil {
		return false, err
	}
	streams, some, err := s.glimpse(ctx, one, at)
	if streams && !some {
		s.say("streams", "History is read by query_range: remote read does not give what a query gives, which happens where a label of the filters is one of Prometheus' external_labels, too",
			"server", s.name, "filters", selector(s.options.filters()))
	}
	return streams && some, err
}

// glimpse asks for what matched shortly before a time by streamed remote read. It reports whether the server streams, and
// whether it has any.
func (s *Server) glimpse(ctx context.Context, matchers []*labels.Matcher, at time.Time) (streams, some bool, err error) {
	defer func() { s.count(apiRead, err) }()
	query := &prompb.Query{StartTimestampMs: at.Add(-5 * time.Minute).UnixMilli(), EndTimestampMs: at.UnixMilli()}
	for _, m := range matchers {
		query.Matchers = append(query.Matchers, &prompb.LabelMatcher{Type: matcherTypes[m.Type], Name: m.Name, Value: m.Value})
	}
	data, err := (&prompb.ReadRequest{Queries: []*prompb.Query{query}, AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}}).Marshal()
	if err != nil {
		return false, false, fmt.Errorf("encoding a remote read request: %w", err)
	}
	response, err := s.post(ctx, pathRead, remoteHeader(), snappy.Encode(nil, data))
	if lacks(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	defer response.Body.Close()
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind != streamed {
		return false, false, nil
	}
	// One byte says that there is a series. The rest is left where it is.
	n, err := response.Body.Read(make([]byte, 1))
	if n == 0 && !errors.Is(err, io.EOF) {
		return true, false, err
	}
	return true, n > 0, nil
}

// lacks reports whether an error is that of a server without remote read. Some know the path and not the method, and
// VictoriaMetrics calls a path that it does not know a bad request.
func lacks(err error) bool {
	var of *statusError
	if !errors.As(err, &of) {
		return false
	}
	switch of.status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusNotImplemented:
		return true
	}
	return false
}

// lookAround finds out what is good to know. History can be read without it.
func (s *Server) lookAround(ctx context.Context, v *view) {
	at := s.now().Add(-v.ago)
	for _, one := range []struct {
		what string
		find func(context.Context, *view, time.Time) error
	}{
		{"kube-state-metrics", s.findOwners},
		{"the scrape interval", s.findInterval},
		{"others of the same names", s.findOthers},
	} {
		if err := one.find(ctx, v, at); err != nil {
			s.say(one.what, "Not all could be found out about history, which is read without it", "what", one.what, "reason", err.Error())
		}
	}
}

// findOwners looks for kube-state-metrics. Its namespace and pod are called exported_ where Prometheus wrote its own over them.
func (s *Server) findOwners(ctx context.Context, v *view, at time.Time) error {
	for _, label := range []string{"exported_namespace", "namespace"} {
		count, err := s.scalar(ctx, "count("+selector(append([]*labels.Matcher{equal(model.MetricNameLabel, "kube_pod_owner"), unequal(label, "")}, s.options.filters()...))+")", at)
		if err != nil {
			return err
		}
		if count > 0 {
			v.namespaces = label
			return nil
		}
	}
	return nil
}

// findInterval finds out the usual time between two values of a series.
func (s *Server) findInterval(ctx context.Context, _ *view, at time.Time) error {
	const over = 10 * time.Minute
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return err
	}
	usual, err := s.scalar(ctx, "quantile(0.5,count_over_time("+selector(memory)+"[10m]))", at)
	if err != nil {
		return err
	}
	if usual >= 1 && !math.IsInf(usual, 0) {
		s.interval.Store(int64((time.Duration(float64(over) / usual)).Round(time.Second)))
	}
	return nil
}
