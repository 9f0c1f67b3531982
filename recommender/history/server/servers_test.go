package server

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

func TestEveryServerGivesTheSameHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		server  func(*standIn) http.Handler
		path    string
		streams bool
	}{
		"Prometheus":              {func(p *standIn) http.Handler { return p }, "", true},
		"Thanos Query":            {func(p *standIn) http.Handler { return &thanos{standIn: p} }, "", false},
		"Mimir":                   {mimir, "/prometheus", true},
		"Cortex":                  {cortex, "/prometheus/", false},
		"VictoriaMetrics":         {func(p *standIn) http.Handler { return &victoria{standIn: p} }, "/select/0/prometheus", false},
		"Prometheus behind nginx": {func(p *standIn) http.Handler { return http.StripPrefix("/metrics", p) }, "/metrics", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &standIn{series: replicas()}
			s := behind(t, tc.server(p), tc.path, filtering("prod"))
			ctx := context.Background()
			require.NoError(t, s.Prepare(ctx))
			require.Equal(t, tc.streams, s.seen.Load().streams)
			require.Equal(t, 30*time.Second, s.scrapeInterval())
			containers, err := s.Containers(ctx)
			require.NoError(t, err)
			require.Equal(t, map[string]int{"store": 1}, containers)
			links, err := s.Owners(ctx, []string{"store"}, lastHour().Interval)
			require.NoError(t, err)
			require.True(t, links.Owns(owners.Workload{Namespace: "store", Kind: "Deployment", Name: "shop"}, "web-1"))
			require.Equal(t, []string{"store/web-1/app"}, readAll(t, s))

			for _, a := range p.requests("") {
				require.True(t, a.path == "/"+pathRead || a.form["partial_response"][0] == "false" && a.form["dedup"][0] == "true" && a.form["max_source_resolution"][0] == "0s", a.path)
			}
		})
	}
}

func TestOfAnAnswerThatIsNotWholeNothingIsUsed(t *testing.T) {
	for name, tc := range map[string]struct {
		server func(*standIn) (handler http.Handler, fail func())
		path   string
		want   string
	}{
		"a store of Thanos is away": {func(p *standIn) (http.Handler, func()) {
			s := &thanos{standIn: p}
			return s, func() { s.away = true }
		}, "", "422 Unprocessable Entity: expanding series: proxy Series()"},
		"a store of VictoriaMetrics is away": {func(p *standIn) (http.Handler, func()) {
			s := &victoria{standIn: p}
			return s, func() { s.partial = true }
		}, "/select/0/prometheus", "the answer is incomplete"},
		"an error in Mimir's frames": {func(p *standIn) (http.Handler, func()) {
			return mimir(p), func() { p.fault = "rpc error: code = Unavailable desc = ingester is away" }
		}, "/prometheus", "remote read from "},
	} {
		t.Run(name, func(t *testing.T) {
			handler, fail := between(tc.server(&standIn{series: replicas()}))
			s := behind(t, handler, tc.path, filtering("prod"))
			require.NoError(t, s.Prepare(context.Background()))
			fail()
			var first string
			for range 2 {
				_, err := s.Read(context.Background(), lastHour(), func(history.Usage) { t.Error("a part was used") })
				require.ErrorContains(t, err, tc.want)
				require.Equal(t, "other", kindOf(err), "it may be gone the next time")
				if first == "" {
					first = err.Error()
				}
				require.Equal(t, first, err.Error())
			}
		})
	}
}

func TestThanosThatKnowsNoSuchParameterIsFoundOut(t *testing.T) {
	// A cache in front may have left the parameter out: the warning says so.
	s := &thanos{standIn: &standIn{series: replicas()}}
	handler, fail := between(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form := formOf(r)
		if form["partial_response"] != "" {
			_ = r.ParseForm()
			r.Form.Del("partial_response")
			r.Body = http.NoBody
			r.PostForm = nil
			r.URL.RawQuery = r.Form.Encode()
			r.Method = http.MethodGet
		}
		s.ServeHTTP(w, r)
	}), func() { s.away = true })
	r := behind(t, handler, "", filtering("prod"))
	require.NoError(t, r.Prepare(context.Background()))
	fail()
	_, err := r.Read(context.Background(), lastHour(), func(history.Usage) { t.Error("a part was used") })
	require.ErrorContains(t, err, "the answer is incomplete: fetch series for")
}

func TestTheLimitsOfEachServerAskForLess(t *testing.T) {
	small := func(p *standIn) *standIn { p.maxSamples = 5; return p }
	later := func(next http.Handler, path string, other http.Handler) (http.Handler, func()) {
		on := false
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if on && strings.HasSuffix(r.URL.Path, path) {
				other.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		}), func() { on = true }
	}
	for name, tc := range map[string]struct {
		server func(*standIn) (http.Handler, func())
		path   string
		kind   string
	}{
		"Prometheus' samples by query": {func(p *standIn) (http.Handler, func()) { return without404(p), func() { small(p) } }, "", "too large"},
		"Prometheus' samples by remote read": {func(p *standIn) (http.Handler, func()) {
			return later(p, pathRead, refusing(400, "exceeded sample limit (50000000)\n"))
		}, "", "too large"},
		"Thanos' series": {func(p *standIn) (http.Handler, func()) {
			return later(&thanos{standIn: p}, pathRange, refusing(422, apiError("execution", "expanding series: proxy Series(): rpc error: code = ResourceExhausted desc = exceeded series limit: limit 1 violated (got 2)")))
		}, "", "too large"},
		"Mimir's chunks": {func(p *standIn) (http.Handler, func()) {
			return later(mimir(p), pathRead, refusing(422, "the query exceeded the maximum number of chunks (limit: 1 chunks) (err-mimir-max-chunks-per-query). Consider reducing the time range\n"))
		}, "/prometheus", "too large"},
		"Mimir's queue": {func(p *standIn) (http.Handler, func()) {
			return later(mimir(p), pathRead, refusing(429, apiError("too_many_requests", "too many outstanding requests"), "Content-Type", "application/json", "Retry-After", "3"))
		}, "/prometheus", "busy 3s"},
		"Cortex' series": {func(p *standIn) (http.Handler, func()) {
			return later(cortex(p), pathRange, refusing(422, apiError("execution", "the query hit the max number of series limit (limit: 1 series)")))
		}, "/prometheus", "too large"},
		"VictoriaMetrics' series": {func(p *standIn) (http.Handler, func()) {
			s := &victoria{standIn: p}
			return s, func() { s.most = 1 }
		}, "/select/0/prometheus", "too large"},
		"VictoriaMetrics' queue": {func(p *standIn) (http.Handler, func()) {
			return later(&victoria{standIn: p}, pathRange, refusing(429, apiError("429", "couldn't start executing the request in 10.000 seconds, since -search.maxConcurrentRequests=4 concurrent requests are executed"), "Retry-After", "10"))
		}, "/select/0/prometheus", "busy 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			handler, reach := between(tc.server(&standIn{series: replicas()}))
			s := behind(t, handler, tc.path, filtering("prod"))
			require.NoError(t, s.Prepare(context.Background()))
			reach()
			_, err := s.Read(context.Background(), lastHour(), func(history.Usage) { t.Error("a part was used") })
			require.Equal(t, tc.kind, kindOf(err), "%v", err)
		})
	}
}

func TestWithoutATenantTheDenialIsShown(t *testing.T) {
	s := asking(t, http.StripPrefix("", tenants(&standIn{})))
	err := s.Prepare(context.Background())
	require.ErrorIs(t, err, history.ErrDenied)
	require.ErrorContains(t, err, "401 Unauthorized: no org id")
}

func TestALoginPageIsNoAnswer(t *testing.T) {
	proxy := proxied(&standIn{series: day()})
	require.ErrorContains(t, asking(t, proxy).Prepare(context.Background()), "answered 200 OK: it answered with a web page, not with Prometheus' API; check --prometheus-address, and the authentication")
	require.ErrorContains(t, asking(t, proxy, configured(t, "follow_redirects: false\n")).Prepare(context.Background()), "answered 302 Found")
	require.NoError(t, asking(t, proxy, func(o *Options) { o.Auth.BearerToken = "t" }).Prepare(context.Background()))
}

// The planner bounds what it asks for by name to 4 KiB; VictoriaMetrics takes 16 KiB of a query.
func TestTheLongestQueryIsShortEnoughForVictoriaMetrics(t *testing.T) {
	var namespaces, pods []string
	for size := 0; size < 4<<10; {
		namespace := strings.Repeat("n", 30) + string(rune('a'+len(namespaces)%26)) + string(rune('a'+len(namespaces)/26))
		namespaces, size = append(namespaces, namespace), size+len(namespace)+1
	}
	for size := 0; size < 4<<10; {
		pod := owners.Names(owners.Workload{Namespace: "store", Kind: "Deployment", Name: strings.Repeat("a.", 60)})
		pods, size = append(pods, pod), size+len(pod)+1
	}
	s := behind(t, &victoria{standIn: &standIn{series: replicas()}}, "/select/0/prometheus",
		filtering("prod", `cluster!~"`+strings.Repeat(regexp.QuoteMeta("eu-west-1b"), 20)+`"`))
	require.NoError(t, s.Prepare(context.Background()))
	for _, q := range []history.Query{
		{Namespaces: namespaces},
		{Namespaces: []string{"store"}, Pods: strings.Join(pods, "|")},
	} {
		q.Interval, q.Wanted, q.PeakSpan = lastHour().Interval, lastHour().Wanted, time.Hour
		_, err := s.Read(context.Background(), q, func(history.Usage) {})
		require.NoError(t, err)
	}
	_, err := s.Owners(context.Background(), namespaces, lastHour().Interval)
	require.NoError(t, err)
}
