package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// streamed is the type of an answer that is a stream of chunks.
const streamed = "application/x-streamed-protobuf"

// errNoRemoteRead says that this server does not stream chunks that we can read. It has query_range.
var errNoRemoteRead = errors.New("the server has no streamed remote read")

// readRemote reads through Prometheus' remote read protocol, whose server streams the chunks that it has on disk: a
// fifth of the processor time of query_range, at full resolution, without holding anything.
func (s *Server) readRemote(ctx context.Context, q history.Query, each func(history.Usage)) (history.Report, error) {
	body, err := s.remoteBody(q)
	if err != nil {
		return history.Report{}, err
	}
	response, err := s.post(ctx, pathRead, remoteHeader(), body)
	if err != nil {
		return history.Report{}, remoteError(err)
	}
	defer response.Body.Close()
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind != streamed {
		return history.Report{}, fmt.Errorf("%w: %s answered with %q", errNoRemoteRead, s.name, kind)
	}
	shard := newShard(q, &s.options)
	defer shard.free()
	if err := shard.stream(response.Body, s.options.Labels); err != nil {
		return history.Report{}, fmt.Errorf("remote read from %s: %w", s.name, err)
	}
	shard.hand(each)
	return shard.report(time.Minute), nil
}

// remoteError is err, or errNoRemoteRead where a server without remote read would answer so.
func remoteError(err error) error {
	if lacks(err) {
		return fmt.Errorf("%w: %w", errNoRemoteRead, err)
	}
	return err
}

func remoteHeader() http.Header {
	header := http.Header{}
	header.Set("Content-Encoding", "snappy")
	header.Set("Content-Type", "application/x-protobuf")
	header.Set("X-Prometheus-Remote-Read-Version", "0.1.0")
	return header
}

// remoteBody asks for both metrics; the index of a query is the usage.Resource that it is for.
func (s *Server) remoteBody(q history.Query) ([]byte, error) {
	request := &prompb.ReadRequest{AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}}
	for _, resource := range usage.Resources {
		matchers, err := s.options.matchers(resource, q.Namespaces, q.Pods)
		if err != nil {
			return nil, err
		}
		query := &prompb.Query{StartTimestampMs: q.From.Add(-lead).UnixMilli(), EndTimestampMs: q.To.Add(trail).UnixMilli()}
		for _, m := range matchers {
			query.Matchers = append(query.Matchers, &prompb.LabelMatcher{Type: matcherTypes[m.Type], Name: m.Name, Value: m.Value})
		}
		request.Queries = append(request.Queries, query)
	}
	data, err := request.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding a remote read request: %w", err)
	}
	return snappy.Encode(nil, data), nil
}

var matcherTypes = map[labels.MatchType]prompb.LabelMatcher_Type{
	labels.MatchEqual:     prompb.LabelMatcher_EQ,
	labels.MatchNotEqual:  prompb.LabelMatcher_NEQ,
	labels.MatchRegexp:    prompb.LabelMatcher_RE,
	labels.MatchNotRegexp: prompb.LabelMatcher_NRE,
}

// stream reads all of an answer.
func (s *shard) stream(body io.Reader, names Labels) error {
	s.remote.reset(names)
	if err := s.frames.each(body, s.message); err != nil {
		return err
	}
	s.end()
	return nil
}
