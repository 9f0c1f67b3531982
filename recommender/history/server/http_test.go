package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

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
		"long words":                {500, strings.Repeat("lang ", 1000), nil, "other", strings.Repeat("lang ", 50) + "la"},
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
