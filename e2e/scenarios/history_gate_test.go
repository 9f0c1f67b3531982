package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Paths of Prometheus' API.
const (
	pathRead  = "/api/v1/read"
	pathQuery = "/api/v1/query"
	pathRange = "/api/v1/query_range"
)

// between stands between a recommender and a Prometheus. Each layer is asked before the next, and the server last.
func between(t *testing.T, prometheus string, layers ...func(next http.Handler) http.Handler) string {
	t.Helper()
	address, err := url.Parse(prometheus)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(address)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // broken answers are what this is for
	var handler http.Handler = proxy
	for i := len(layers) - 1; i >= 0; i-- {
		handler = layers[i](handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Prometheus may begin its answer before it has read the end of a question. A proxy that then still reads loses one
		// answer in ten.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the recommender is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// withoutRemoteRead is how Thanos and VictoriaMetrics are.
func withoutRemoteRead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathRead {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// question is what a request asks for.
type question struct {
	path string
	// from is from when on a remote read is asked for; a look at whether there is anything asks for one metric, and the
	// reading of history for two.
	from    time.Time
	metrics int
}

// questionOf reads what a request asks for, and leaves the request as it was.
func questionOf(t *testing.T, r *http.Request) question {
	q := question{path: r.URL.Path}
	if q.path != pathRead {
		return q
	}
	compressed, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	r.Body = io.NopCloser(bytes.NewReader(compressed))
	message, err := snappy.Decode(nil, compressed)
	assert.NoError(t, err)
	var request prompb.ReadRequest
	assert.NoError(t, request.Unmarshal(message))
	for _, of := range request.Queries {
		if at := time.UnixMilli(of.StartTimestampMs); q.from.IsZero() || at.Before(q.from) {
			q.from = at
		}
	}
	q.metrics = len(request.Queries)
	return q
}

// reads reports whether the question is for history, and not a look at what there is.
func (q question) reads() bool { return q.path == pathRange || q.path == pathRead && q.metrics > 1 }

// traffic is what was asked, and how many bytes the answers had.
type traffic struct {
	questions []question
	bytes     int
}

// reads are the questions for history.
func (t traffic) reads() []question {
	return slices.DeleteFunc(slices.Clone(t.questions), func(q question) bool { return !q.reads() })
}

// meter counts what is asked and answered.
type meter struct {
	mu sync.Mutex
	traffic
}

func (m *meter) layer(t *testing.T) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := questionOf(t, r)
			m.mu.Lock()
			m.questions = append(m.questions, q)
			m.mu.Unlock()
			next.ServeHTTP(&metered{w, m}, r)
		})
	}
}

// reset returns what there was since the last time.
func (m *meter) reset() traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.traffic
	m.traffic = traffic{}
	return was
}

// metered tells how many bytes are written.
type metered struct {
	http.ResponseWriter
	meter *meter
}

func (m *metered) Write(p []byte) (int, error) {
	m.meter.mu.Lock()
	m.meter.bytes += len(p)
	m.meter.mu.Unlock()
	return m.ResponseWriter.Write(p)
}

// Unwrap lets what is written be flushed.
func (m *metered) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// cutOff ends the connection in the middle of an answer, when so many bytes have passed, and calls then.
type cutOff struct {
	http.ResponseWriter
	left int
	then func()
}

func (c *cutOff) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		if c.then != nil {
			c.then()
		}
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

// answers is nil when a GET of url answers 200.
func answers(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, response.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
