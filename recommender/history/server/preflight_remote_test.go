package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/recommender/history"
)

// external is a Prometheus that adds env="prod" to whatever leaves it.
func external(series []stored) *standIn {
	return &standIn{series: series, external: map[string]string{"env": "prod"}}
}

func TestAnExternalLabelMatchesInRemoteReadAlone(t *testing.T) {
	p := external(day())
	s := prepared(t, p, filtering("prod"))
	require.Equal(t, view{streams: true, hidden: true}, *s.seen.Load())
	containers, err := s.Containers(context.Background())
	require.NoError(t, err)
	require.Nil(t, containers)
	links, err := s.Owners(context.Background(), []string{"store"}, history.Interval{From: noon.Add(-time.Hour), To: noon})
	require.NoError(t, err)
	require.Nil(t, links)
	require.Len(t, readAll(t, s), 1)

	other := asking(t, external(day()), filtering("staging"))
	require.ErrorContains(t, other.Prepare(context.Background()), `none that match {env="staging"}: none has a label env; check`)
}

func TestAnExternalLabelWithoutRemoteReadIsALoudError(t *testing.T) {
	s := asking(t, without404(external(day())), filtering("prod"))
	require.ErrorContains(t, s.Prepare(context.Background()), "external_labels")

	s = prepared(t, external(day()), filtering("prod"))
	gone := httptest.NewServer(without404(external(day())))
	defer gone.Close()
	moveTo(t, s, gone.URL)
	_, err := s.Read(context.Background(), lastHour(), func(history.Usage) { t.Error("something was read") })
	require.ErrorContains(t, err, "queries do not find what the filters mean", "query_range would find a week without usage")
}

func TestAnExternalLabelThatSeriesHaveTooIsReadByQueries(t *testing.T) {
	// Federated series have an env of their own: remote read means Prometheus' when it is asked for env="prod".
	var l logs
	s := asking(t, external(slices.Concat(day("env", "prod"), day("env", "dev"))), filtering("prod"))
	s.log = l.logger()
	require.NoError(t, s.Prepare(context.Background()))
	require.False(t, s.seen.Load().streams)
	require.Contains(t, strings.Join(l.lines, "\n"), "remote read does not give what a query gives")
	require.Len(t, readAll(t, s), 1)
}

func TestServersWithoutStreamedRemoteReadAreAskedByQueries(t *testing.T) {
	for name, other := range map[string]http.Handler{
		"none":                refusing(404, "404 page not found\n", "Content-Type", "text/plain"),
		"none, with a page":   refusing(404, "<html>nginx</html>", "Content-Type", "text/html"),
		"not this method":     refusing(405, "Method Not Allowed\n"),
		"an unsupported path": refusing(400, "unsupported path requested: \"/api/v1/read\"\n"),
		"not implemented":     refusing(501, ""),
		"samples":             http.HandlerFunc(samples),
	} {
		t.Run(name, func(t *testing.T) {
			s := prepared(t, instead(&standIn{series: day()}, pathRead, other))
			require.False(t, s.seen.Load().streams)
			require.EqualValues(t, 0, testutil.ToFloat64(s.metrics.remoteRead))
			require.Equal(t, []string{"store/shop-0/app"}, readAll(t, s))
		})
	}
}

// samples answers a remote read as a server does that does not stream: with no series here.
func samples(w http.ResponseWriter, _ *http.Request) {
	data, err := (&prompb.ReadResponse{Results: []*prompb.QueryResult{{}}}).Marshal()
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Header().Set("Content-Encoding", "snappy")
	_, _ = w.Write(snappy.Encode(nil, data))
}

func TestRemoteReadThatFailsIsNotTakenForNone(t *testing.T) {
	for name, tc := range map[string]struct {
		other http.Handler
		kind  string
	}{
		"denied": {refusing(403, ""), "denied"},
		"busy":   {refusing(429, ""), "busy 0s"},
		"broken": {refusing(500, "no"), "other"},
		"a page": {refusing(200, "<html>", "Content-Type", "text/html"), "other"},
	} {
		t.Run(name, func(t *testing.T) {
			s := asking(t, instead(&standIn{series: day()}, pathRead, tc.other))
			require.Equal(t, tc.kind, kindOf(s.Prepare(context.Background())))
		})
	}
}

func TestReadingGoesOnByQueriesWhereRemoteReadIsGoneLater(t *testing.T) {
	p := &standIn{series: day()}
	s := prepared(t, p)
	require.True(t, s.seen.Load().streams)
	require.EqualValues(t, 1, testutil.ToFloat64(s.metrics.remoteRead))
	var l logs
	s.log = l.logger()
	gone := httptest.NewServer(without404(p))
	defer gone.Close()
	moveTo(t, s, gone.URL)
	for range 2 {
		require.Equal(t, []string{"store/shop-0/app"}, readAll(t, s))
	}
	require.Len(t, l.lines, 1, "it is said once")
	require.Contains(t, l.lines[0], "History is read by query_range from now on")
	require.EqualValues(t, 0, testutil.ToFloat64(s.metrics.remoteRead))
	require.EqualValues(t, 2, testutil.ToFloat64(s.metrics.queries.WithLabelValues(apiRange, "ok")))
}
