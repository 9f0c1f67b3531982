package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/recommender/history"
)

// unsteady listens, and treats each connection as f says.
func unsteady(t *testing.T, f func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go f(conn)
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestTheSameNetworkErrorHasTheSameText(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	ends := func(after string) func(net.Conn) {
		return func(conn net.Conn) {
			// All of the request is read, so that the end is the answer's.
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, after)
			if after == "" {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			conn.Close()
		}
	}
	for name, tc := range map[string]struct{ url, want string }{
		"nobody listens": {gone.URL, "connection refused"},
		"reset":          {unsteady(t, ends("")), "connection reset by peer"},
		"cut off":        {unsteady(t, ends("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")), "reading the answer: "},
		"no name":        {"http://does-not-exist.invalid:9090", "lookup does-not-exist.invalid"},
		"no HTTP":        {unsteady(t, ends("SSH-2.0-OpenSSH_9.9\r\n")), "malformed HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			for range 3 {
				s := askingAt(t, tc.url)
				_, err := s.query(context.Background(), "up", noon)
				require.ErrorContains(t, err, tc.want)
				require.Equal(t, "other", kindOf(err))
				require.NotRegexp(t, `:\d+->`, err.Error())
				seen = append(seen, err.Error())
			}
			require.Equal(t, seen[0], seen[1])
			require.Equal(t, seen[0], seen[2])
		})
	}
}

func TestWhatPassesIsLeftOutOfMessages(t *testing.T) {
	for text, want := range map[string]string{
		"read tcp 10.1.2.3:54321->10.0.0.1:9090: read: connection reset by peer":                                             "read tcp 10.0.0.1:9090: read: connection reset by peer",
		"read tcp [::1]:54321->[::1]:9090: i/o timeout":                                                                      "read tcp [::1]:9090: i/o timeout",
		"stream error: stream ID 41; INTERNAL_ERROR; received from peer":                                                     "stream error: INTERNAL_ERROR; received from peer",
		"x509: certificate has expired or is not yet valid: current time 2026-03-09T12:00:00Z is after 2026-01-01T00:00:00Z": "x509: certificate has expired or is not yet valid: it is after …",
		"a trace-id=4bf92f3577b34da6 b":                                                                                      "a trace id … b",
		"at 2026-03-09 12:00:00.123 x":                                                                                       "at … x",
		"limit: 50000000":                                                                                                    "limit: 50000000",
	} {
		require.Equal(t, want, steady(text))
	}
}

// wait returns when who asked has gone.
func wait(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then the server looks for that
	<-r.Context().Done()
}

func TestAServerThatTakesTooLongIsAskedForLess(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no answer":          func(_ http.ResponseWriter, r *http.Request) { wait(r) },
		"an answer, no body": func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); wait(r) },
	} {
		t.Run(name, func(t *testing.T) {
			s := asking(t, handler, func(o *Options) { o.QueryTimeout = 30 * time.Millisecond })
			_, err := s.query(context.Background(), "up", noon)
			require.ErrorIs(t, err, history.ErrTooLarge)
			require.ErrorContains(t, err, "no answer within --prometheus-query-timeout=30ms")
		})
	}
}

func TestWhoStopsWaitingIsNotToldOfATimeout(t *testing.T) {
	s := asking(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { wait(r) }))
	ctx, cancel := context.WithCancel(context.Background())
	go cancel()
	_, err := s.query(ctx, "up", noon)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "other", kindOf(err))
}

func TestRequestsWaitForTheirTurn(t *testing.T) {
	s := asking(t, &standIn{}, func(o *Options) { o.QPS = 50 })
	began := time.Now()
	for range 6 {
		_, err := s.query(context.Background(), "up", noon)
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, time.Since(began), 5*20*time.Millisecond)
}

func TestWhatIsReadIsCounted(t *testing.T) {
	const body = `{"status":"success","data":{"resultType":"vector","result":[]}}`
	s := asking(t, refusing(200, body))
	_, err := s.query(context.Background(), "up", noon)
	require.NoError(t, err)
	require.EqualValues(t, len(body), testutil.ToFloat64(s.metrics.bytes))
	require.EqualValues(t, 1, testutil.ToFloat64(s.metrics.queries.WithLabelValues(apiQuery, "ok")))
}

func TestTheAnswerToAnInstantQueryIsBounded(t *testing.T) {
	s := asking(t, refusing(200, `{"status":"success","error":"`+strings.Repeat("x", maxAnswer)+`"}`))
	_, err := s.query(context.Background(), "up", noon)
	require.ErrorIs(t, err, history.ErrTooLarge)
}

func TestThePasswordOfTheAddressIsInNoMessage(t *testing.T) {
	s := askingAt(t, "http://user:s3cret@127.0.0.1:1/path?token=t0ken")
	require.Equal(t, "http://127.0.0.1:1/path", s.name)
	_, err := s.query(context.Background(), "up", noon)
	require.ErrorContains(t, err, "asking http://127.0.0.1:1/path: ")
	require.NotContains(t, err.Error(), "s3cret")
	require.NotContains(t, err.Error(), "t0ken")
}

func TestThePathOfTheAddressComesFirst(t *testing.T) {
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { path = r.URL.String() }))
	defer server.Close()
	for address, want := range map[string]string{"": "/api/v1/query", "/": "/api/v1/query", "/select/0/prometheus": "/select/0/prometheus/api/v1/query", "/prometheus/?extra=1": "/prometheus/api/v1/query?extra=1"} {
		_, _ = askingAt(t, server.URL+address).query(context.Background(), "up", noon)
		require.Equal(t, want, path)
	}
}
