package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// tryRemoteRead reports whether the server streams by remote read what it has by PromQL. It reads one series of ours: where
// a label is one of Prometheus' external labels and that of series, too, remote read means the other.
func (s *Server) tryRemoteRead(ctx context.Context, at time.Time) (bool, error) {
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return false, err
	}
	one := memory // of many that are too many for a query, any
	rows, err := s.query(ctx, "topk(1,"+selector(memory)+")", at)
	if err != nil && !isLimit(err) {
		return false, err
	}
	if len(rows) > 0 {
		of := rows[0].labels
		one, err = s.options.matchers(usage.Memory, []string{of[s.options.Labels.Namespace]}, regexp.QuoteMeta(of[s.options.Labels.Pod]))
		if err != nil {
			return false, err
		}
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
	switch {
	case lacks(err):
		return false, false, nil
	case isLimit(err):
		return true, true, nil // if it does not stream, reading finds out
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
