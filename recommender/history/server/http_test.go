package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// refusing answers everything with one status and body.
func refusing(status int, body string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// kindOf is the kind of an error, as history.Source has them.
func kindOf(err error) string {
	var busy *history.BusyError
	switch {
	case errors.Is(err, history.ErrTooLarge):
		return "too large"
	case errors.Is(err, history.ErrDenied):
		return "denied"
	case errors.As(err, &busy):
		return fmt.Sprint("busy ", busy.After)
	}
	return "other"
}

func apiError(kind, message string) string {
	return fmt.Sprintf(`{"status":"error","errorType":%q,"error":%q}`, kind, message)
}

func TestRefusalsAreSortedByWhatHelps(t *testing.T) {
	const page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
	for name, tc := range map[string]struct {
		status     int
		body       string
		header     []string
		kind, says string
	}{
		"no token":                  {401, "", nil, "denied", "the server denies access: check its authentication, --prometheus-http-config or --prometheus-bearer-token-file: SERVER answered 401 Unauthorized"},
		"not allowed":               {403, "Forbidden (user=system:serviceaccount:kube-system:vpa, verb=get, resource=prometheuses)\n", nil, "denied", "403 Forbidden: Forbidden (user=system:serviceaccount:kube-system:vpa, verb=get"},
		"a page that denies":        {403, page, []string{"Content-Type", "text/html"}, "denied", "with a web page"},
		"samples, Prometheus":       {422, apiError("execution", "query processing would load too many samples into memory in query execution"), nil, "too large", "SERVER answered 422 Unprocessable Entity: query processing would load too many samples into memory in query execution"},
		"points, Prometheus":        {400, apiError("bad_data", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"), nil, "too large", "11,000 points"},
		"samples, remote read":      {400, "exceeded sample limit (50000000)\n", nil, "too large", "SERVER answered 400 Bad Request: exceeded sample limit (50000000)"},
		"time, Prometheus":          {503, apiError("timeout", "query timed out in expression evaluation"), nil, "too large", "query timed out"},
		"a bad query":               {400, apiError("bad_data", `invalid parameter "query": 1:5: parse error: unexpected "}"`), nil, "other", `SERVER answered 400 Bad Request: invalid parameter "query": 1:5: parse error: unexpected "}"`},
		"series, Thanos":            {422, apiError("execution", `expanding series: proxy Series(): rpc error: code = Aborted desc = receive series from Addr: 10.0.3.7:10901 LabelSets: {replica="1"} MinTime: 1683016297853 MaxTime: 1683023497853: rpc error: code = ResourceExhausted desc = exceeded series limit: limit 12000 violated (got 12704)`), nil, "too large", "MinTime: … MaxTime: …"},
		"bytes, Thanos":             {422, apiError("execution", "rpc error: code = ResourceExhausted desc = exceeded bytes limit while fetching postings: limit 1 violated (got 8)"), nil, "too large", ""},
		"time, Thanos":              {422, apiError("execution", "expanding series: proxy Series(): context deadline exceeded"), nil, "too large", ""},
		"a store of Thanos is away": {422, apiError("execution", "expanding series: proxy Series(): rpc error: code = Unavailable desc = connection error"), nil, "other", ""},
		"chunks, Mimir":             {422, apiError("execution", "the query exceeded the maximum number of chunks (limit: 2000000 chunks) (err-mimir-max-chunks-per-query). Consider reducing the time range and/or number of series selected by the query."), nil, "too large", "err-mimir-max-chunks-per-query"},
		"length, Mimir":             {422, apiError("execution", "the total query time range exceeds the limit (query length: 24h0m0s, limit: 12h0m0s) (err-mimir-max-total-query-length)."), nil, "too large", ""},
		"store-gateway, Mimir":      {422, "rpc error: code = Code(422) desc = exceeded chunks limit: rpc error: code = Code(422) desc = limit 30 exceeded", nil, "too large", ""},
		"queue, Mimir":              {429, apiError("too_many_requests", "too many outstanding requests"), nil, "busy 0s", ""},
		"no tenant":                 {401, "no org id\n", nil, "denied", "no org id"},
		"series, Cortex":            {422, apiError("execution", "the query hit the max number of series limit (limit: 100000 series)"), nil, "too large", ""},
		"series, Cortex, as 500":    {500, apiError("internal", "failed to receive series from 10.0.35.137:9095: rpc error: code = ResourceExhausted desc = exceeded series limit: limit 12000 violated (got 12704)"), nil, "too large", ""},
		"samples, VictoriaMetrics":  {422, apiError("422", "error when executing query=\"x\" for (time=1773057600000, step=300000): cannot select more than -search.maxSamplesPerQuery=1000000000 samples; possible solutions: increase the -search.maxSamplesPerQuery"), nil, "too large", "time=…, step=300000"},
		"series, VictoriaMetrics":   {422, apiError("422", "the number of matching timeseries exceeds 300000; either narrow down the search or increase -search.max* command-line flag values"), nil, "too large", ""},
		"points, VictoriaMetrics":   {422, apiError("422", "too many points for the given start=1773057600000, end=1773144000000 and step=1000: 86401; the maximum number of points is 30000"), nil, "too large", ""},
		"text, VictoriaMetrics":     {422, apiError("422", "too long query; got 17000 bytes; mustn't exceed `-search.maxQueryLen=16384` bytes"), nil, "too large", ""},
		"memory, VictoriaMetrics":   {422, apiError("422", "not enough memory for processing 40000 data points across 4000 time series with 10 points in each time series"), nil, "too large", ""},
		"time, VictoriaMetrics":     {503, apiError("503", "cannot execute query in 30.000 seconds: deadline exceeded; increase -search.maxQueryDuration"), nil, "too large", ""},
		"queue, VictoriaMetrics":    {429, apiError("429", "couldn't start executing the request in 10.000 seconds, since -search.maxConcurrentRequests=4 concurrent requests are executed. Possible solutions: to reduce query load"), []string{"Retry-After", "10"}, "busy 10s", "the server is busy: "},
		"the same as 503":           {503, apiError("503", "couldn't start executing the request in 10.000 seconds, since -search.maxConcurrentRequests=4 concurrent requests are executed"), []string{"Retry-After", "10"}, "busy 10s", ""},
		"not ready":                 {503, "Service Unavailable", nil, "busy 0s", "503 Service Unavailable"},
		"later":                     {503, "", []string{"Retry-After", noon.Add(90 * time.Second).Format(http.TimeFormat)}, "busy 1m30s", ""},
		"a gateway's time":          {504, page, []string{"Content-Type", "text/html"}, "too large", ""},
		"a gateway's size":          {413, "", nil, "too large", ""},
		"a gateway":                 {502, page, []string{"Content-Type", "text/html; charset=utf-8"}, "other", "SERVER answered 502 Bad Gateway: it answered with a web page, not with Prometheus' API; check --prometheus-address"},
		"a page without fault":      {200, "<!doctype html><title>Sign in</title>", []string{"Content-Type", "text/html"}, "other", "SERVER answered 200 OK: it answered with a web page"},
		"broken":                    {500, "boom\n\n  again \x00", nil, "other", "SERVER answered 500 Internal Server Error: boom again"},
		"not there":                 {404, "404 page not found\n", nil, "other", "SERVER answered 404 Not Found: 404 page not found"},
		"elsewhere":                 {304, "", nil, "other", "SERVER answered 304 Not Modified"},
		"long words":                {500, strings.Repeat("lang ", 100), nil, "other", strings.Repeat("lang ", 50) + "la"},
	} {
		t.Run(name, func(t *testing.T) {
			s := asking(t, refusing(tc.status, tc.body, tc.header...))
			_, err := s.post(context.Background(), pathQuery, nil, nil)
			require.Equal(t, tc.kind, kindOf(err), "%v", err)
			require.ErrorContains(t, err, strings.ReplaceAll(tc.says, "SERVER", s.name))
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 600)
		})
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "0": 0, "-1": 0, "1.5": 0, "soon": 0,
		"99999999999999999999":          0,
		"999999999":                     24 * time.Hour,
		"Mon, 09 Mar 2026 12:00:30 GMT": 30 * time.Second, "Mon, 09 Mar 2026 11:00:00 GMT": 0, "Mon, 09 Mar 2036 11:00:00 GMT": 24 * time.Hour,
	} {
		require.Equal(t, want, retryAfter(header, noon), header)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, header := range []string{"", "120", "Mon, 09 Mar 2026 12:00:30 GMT", "18446744073709551615", "-1", "9e9"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		after := retryAfter(header, noon)
		require.True(t, 0 <= after && after <= 24*time.Hour, "%v", after)
	})
}

// FuzzWords reads whatever a server says of an error.
func FuzzWords(f *testing.F) {
	for _, body := range []string{apiError("execution", "no\nmore"), `{"message":"x"}`, `{"error":{}}`, "\xff\xfe", strings.Repeat("é", 300), "read tcp 127.0.0.1:54321->127.0.0.1:9090: x", `{"error":"`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text := clip(words(body))
		require.LessOrEqual(t, len(text), maxWords)
		require.NotContains(t, text, "\n")
		require.Equal(t, text, strings.ToValidUTF8(text, ""))
	})
}

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
