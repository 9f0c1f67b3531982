package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

const (
	// lead is read before a window, so that a counter's first increase in it has a start.
	lead = 5 * time.Minute
	// trail is read after a window, so that its last minute is covered to its end.
	trail = time.Minute
)

// RemoteReader reads through Prometheus' remote read protocol, whose server streams the chunks that it has on
// disk: a fifth of the processor time of query_range, at full resolution, without holding anything.
type RemoteReader struct {
	url string
	// server is url as messages show it: without the password that it may carry.
	server  string
	client  *http.Client
	options Options
}

var _ Reader = (*RemoteReader)(nil)

// NewRemoteReader returns a reader of the server at o.Address. client carries authentication and TLS.
func NewRemoteReader(client *http.Client, o Options) (*RemoteReader, error) {
	u, err := url.Parse(o.Address)
	if err != nil {
		return nil, errors.New("--prometheus-address is no URL") // and may hold a password, as err would
	}
	u = u.JoinPath("api/v1/read")
	return &RemoteReader{url: u.String(), server: u.Redacted(), client: client, options: o}, nil
}

// Read reads CPU and memory of w in one request.
func (r *RemoteReader) Read(ctx context.Context, w Window) ([]usage.Sample, Dropped, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.QueryTimeout)
	defer cancel()
	request, err := r.request(w)
	if err != nil {
		return nil, nil, err
	}
	body, err := r.post(ctx, request)
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	d := newDay(w, r.options)
	if err := d.decode(body); err != nil {
		return nil, nil, fmt.Errorf("reading the answer of %s: %w", r.server, err)
	}
	return d.samples(), d.dropped, nil
}

// request asks for both metrics; the index of a query is the usage.Resource that it is for.
func (r *RemoteReader) request(w Window) (*prompb.ReadRequest, error) {
	request := &prompb.ReadRequest{AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}}
	for _, resource := range usage.Resources {
		matchers, err := r.options.matchers(w.Workload, resource)
		if err != nil {
			return nil, err
		}
		query := &prompb.Query{StartTimestampMs: w.From.Add(-lead).UnixMilli(), EndTimestampMs: w.To.Add(trail).UnixMilli()}
		for _, m := range matchers {
			query.Matchers = append(query.Matchers, &prompb.LabelMatcher{Type: matcherTypes[m.Type], Name: m.Name, Value: m.Value})
		}
		request.Queries = append(request.Queries, query)
	}
	return request, nil
}

var matcherTypes = map[labels.MatchType]prompb.LabelMatcher_Type{
	labels.MatchEqual:     prompb.LabelMatcher_EQ,
	labels.MatchNotEqual:  prompb.LabelMatcher_NEQ,
	labels.MatchRegexp:    prompb.LabelMatcher_RE,
	labels.MatchNotRegexp: prompb.LabelMatcher_NRE,
}

const streamed = "application/x-streamed-protobuf"

func (r *RemoteReader) post(ctx context.Context, request *prompb.ReadRequest) (io.ReadCloser, error) {
	data, err := request.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding a remote read request: %w", err)
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(snappy.Encode(nil, data)))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", r.server, err)
	}
	post.Header.Set("Content-Encoding", "snappy")
	post.Header.Set("Content-Type", "application/x-protobuf")
	post.Header.Set("X-Prometheus-Remote-Read-Version", "0.1.0")
	post.Header.Set("User-Agent", "sartor-recommender")
	response, err := r.client.Do(post)
	if err != nil {
		return nil, err // it names the method and the URL
	}
	if err := checkResponse(r.server, response); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response.Body, nil
}

func checkResponse(server string, response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		// It ends up in a condition: a line, and not a page.
		text, _ := io.ReadAll(io.LimitReader(response.Body, 256))
		err := fmt.Errorf("%s answered %s: %s", server, response.Status, strings.Join(strings.Fields(string(text)), " "))
		if response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusMethodNotAllowed {
			err = fmt.Errorf("%w; the server at --prometheus-address must offer Prometheus' remote read API", err)
		}
		return err
	}
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, streamed) {
		return fmt.Errorf("%s answered with %q; the server at --prometheus-address must stream chunks (%s)", server, kind, streamed)
	}
	return nil
}
