package server

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

func TestARemoteReadSelectsWhatIsAskedForAndNothingElse(t *testing.T) {
	for _, environment := range []string{"prod", `pr"od`, "pr{od}", `pr\od`, ".*", "prod|dev", "two\nlines"} {
		t.Run(environment, func(t *testing.T) {
			var asked *prompb.ReadRequest
			s := asking(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				var err error
				if asked, err = readRequestOf(body); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
				}
				w.Header().Set("Content-Type", streamed+"; proto=prometheus.ChunkedReadResponse")
			}), filtering(environment, `cluster!~"test-.+"`))
			q := tenMinutes
			q.Namespaces, q.Pods = []string{"a.b", "store"}, "shop-[0-9]+"
			_, err := s.readRemote(context.Background(), q, nil)
			require.NoError(t, err)
			require.Equal(t, []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}, asked.AcceptedResponseTypes)
			require.Len(t, asked.Queries, 2)
			for i, metric := range []string{"container_cpu_usage_seconds_total", "container_memory_working_set_bytes"} {
				require.Equal(t, &prompb.Query{
					StartTimestampMs: q.From.Add(-5 * time.Minute).UnixMilli(), EndTimestampMs: q.To.Add(time.Minute).UnixMilli(),
					Matchers: []*prompb.LabelMatcher{
						{Type: prompb.LabelMatcher_EQ, Name: "__name__", Value: metric},
						{Type: prompb.LabelMatcher_RE, Name: "namespace", Value: `a\.b|store`},
						{Type: prompb.LabelMatcher_RE, Name: "pod", Value: "shop-[0-9]+"},
						{Type: prompb.LabelMatcher_NEQ, Name: "container", Value: ""},
						{Type: prompb.LabelMatcher_NEQ, Name: "container", Value: "POD"},
						{Type: prompb.LabelMatcher_EQ, Name: "env", Value: environment},
						{Type: prompb.LabelMatcher_NRE, Name: "cluster", Value: "test-.+"},
					},
				}, asked.Queries[i])
			}
		})
	}
}

func TestAServerWithoutStreamedRemoteReadIsKnown(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "words", code) }
	}
	kind := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", kind) }
	}
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		lacks   bool
	}{
		"not found":      {status(404), true},
		"another method": {status(405), true},
		"not there":      {status(501), true},
		"samples only":   {kind("application/x-protobuf"), true},
		"no type":        {kind(""), true},
		"streamed":       {kind(streamed), false},
		"denied":         {status(403), false},
		"busy":           {status(429), false},
		"broken":         {status(500), false},
		"a web page":     {kind("text/html"), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := asking(t, tc.handler).readRemote(context.Background(), tenMinutes, nil)
			if tc.lacks {
				require.ErrorIs(t, err, errNoRemoteRead)
			} else {
				require.NotErrorIs(t, err, errNoRemoteRead)
			}
		})
	}
}

func TestOfAStreamThatBreaksOffNothingIsHandedOver(t *testing.T) {
	good := frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30)))
	for name, tc := range map[string]struct {
		after func(http.ResponseWriter, *http.Request)
		want  string
		large bool
	}{
		"error text": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "context canceled\n") }, "a frame", false},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good[:9])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected EOF", false},
		"it stops": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "--prometheus-query-timeout", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := asking(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or nobody notices that the client has gone
				w.Header().Set("Content-Type", streamed)
				_, _ = w.Write(good)
				tc.after(w, r)
			}), func(o *Options) { o.QueryTimeout = 200 * time.Millisecond })
			_, err := s.readRemote(context.Background(), tenMinutes, func(history.Usage) { t.Error("handed over") })
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, "remote read from http://127.0.0.1")
			require.Equal(t, tc.large, isTooLarge(err))
			require.NotErrorIs(t, err, errNoRemoteRead)
		})
	}
}
