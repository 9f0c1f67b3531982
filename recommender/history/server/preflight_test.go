package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

func TestHistoryIsLookedForWhereItEnded(t *testing.T) {
	for name, tc := range map[string]struct {
		ended, want time.Duration
	}{
		"now":                {0, 0},
		"a little ago":       {50 * time.Minute, time.Hour},
		"yesterday":          {20 * time.Hour, 24 * time.Hour},
		"six days ago":       {6 * 24 * time.Hour, 7 * 24 * time.Hour},
		"our clock is ahead": {7 * time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			to := noon.Add(-tc.ended)
			s := prepared(t, &standIn{series: running(to.Add(-48*time.Hour), to, "store", "shop-0", "app")})
			require.Equal(t, tc.want, s.seen.Load().ago)
			require.True(t, s.seen.Load().streams)
			require.Equal(t, 30*time.Second, s.scrapeInterval())
			containers, err := s.Containers(context.Background())
			require.NoError(t, err)
			require.Equal(t, map[string]int{"store": 1}, containers)
		})
	}
}

func day(more ...string) []stored {
	return running(noon.Add(-24*time.Hour), noon, "store", "shop-0", "app", more...)
}

func TestWhereThereIsNothingTheErrorSaysWhatThereIs(t *testing.T) {
	renamed := func(metric string, pairs ...string) stored {
		return recorded(noon.Add(-time.Hour), noon, func(time.Duration) float64 { return 1 }, append([]string{"__name__", metric}, pairs...)...)
	}
	for name, tc := range map[string]struct {
		series []stored
		change func(*Options)
		want   string
	}{
		"no such metric": {nil, filtering(""), `has no series of container_memory_working_set_bytes within 1w; check --history-memory-metric="container_memory_working_set_bytes" and --prometheus-address, and whether the kubelets' cAdvisor is scraped`},
		"another environment": {slices.Concat(day("env", "dev"), running(noon.Add(-time.Hour), noon, "a", "b", "c", "env", "it's \"x\"")), filtering("prod"),
			`has series of container_memory_working_set_bytes, but none that match {env="prod"}: env is "dev" or "it's \"x\""; check $K8S_ENVIRONMENT, --prometheus-env-label and --prometheus-matcher. A label that Prometheus adds to what leaves it (external_labels) is not on its own series in queries: leave out that filter, or ask the server that the series are sent to`},
		"no such label":  {day("env", "prod"), filtering("prod", `cluster=~"eu-.+"`), `none that match {env="prod",cluster=~"eu-.+"}: env is "prod", none has a label cluster; check`},
		"another job":    {day("job", "kubelet"), func(o *Options) { o.Job = "cadvisor" }, `none that match {job="cadvisor"}: job is "kubelet"; check`},
		"old names":      {[]stored{renamed("container_memory_working_set_bytes", "namespace", "store", "pod_name", "shop-0", "container_name", "app")}, filtering(""), `has series of container_memory_working_set_bytes, but none that says whose it is: they have pod_name, not pod; set --container-pod-name-label=pod_name; they have container_name, not container; set --container-name-label=container_name`},
		"strange names":  {[]stored{renamed("container_memory_working_set_bytes", "ns", "store", "pod", "shop-0", "container", "app")}, filtering(""), `none has a label namespace; set --container-namespace-label to the one they have`},
		"only pods":      {[]stored{renamed("container_memory_working_set_bytes", "namespace", "store", "pod", "shop-0"), renamed("container_memory_working_set_bytes", "container", "kubelet")}, filtering(""), `none of a container has all of the labels namespace,pod,container`},
		"no CPU":         {day()[1:], filtering(""), `has series of container_memory_working_set_bytes and none of container_cpu_usage_seconds_total; check --history-cpu-metric="container_cpu_usage_seconds_total", and whether the rules of the scrape drop it`},
		"CPU of another": {slices.Concat(day("env", "prod")[1:], day("env", "dev")), filtering("prod"), `none of container_cpu_usage_seconds_total`},
	} {
		t.Run(name, func(t *testing.T) {
			s := asking(t, &standIn{series: tc.series}, tc.change)
			require.ErrorContains(t, s.Prepare(context.Background()), tc.want)
		})
	}
}

// spread is a fleet: one pod of each of some namespaces.
func spread(more ...string) (all []stored) {
	for _, namespace := range []string{"a.b", "store", "web"} {
		all = append(all, running(noon.Add(-time.Hour), noon, namespace, "shop-0", "app", more...)...)
	}
	return all
}

func TestContainersAreCountedByNamespaceUnderTheFilters(t *testing.T) {
	series := slices.Concat(spread("env", "prod", "job", "kubelet"), spread("env", "prod", "job", "cadvisor"), spread("env", "dev"),
		running(noon.Add(-time.Hour), noon, "store", "shop-1", "app", "env", "prod"),
		running(noon.Add(-time.Hour), noon, "store", "shop-1", "POD", "env", "prod"),
		running(noon.Add(-time.Hour), noon, "store", "shop-1", "", "env", "prod"))
	s := prepared(t, &standIn{series: series}, filtering("prod"))
	containers, err := s.Containers(context.Background())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a.b": 1, "store": 2, "web": 1}, containers, "what two jobs scrape is one")
	require.EqualValues(t, 7, testutil.ToFloat64(s.metrics.series.WithLabelValues("memory")))
	require.EqualValues(t, 7, testutil.ToFloat64(s.metrics.series.WithLabelValues("cpu")))
}

func TestOthersOfTheSameNamesAreCounted(t *testing.T) {
	var l logs
	p := &standIn{series: slices.Concat(spread("env", "prod", "cluster", "eu"), spread("env", "dev", "cluster", "eu"), spread("env", "qa", "cluster", "eu"), spread("env", "prod", "cluster", "us"),
		running(noon.Add(-time.Hour), noon, "other", "x", "y", "env", "perf", "cluster", "eu"))}
	s := asking(t, p, filtering("prod", `cluster=~"eu|us"`, `cluster!="us-old"`))
	s.log = l.logger()
	for range 2 {
		require.NoError(t, s.Prepare(context.Background()))
	}
	require.EqualValues(t, 3, testutil.ToFloat64(s.metrics.filters.WithLabelValues("env")), "perf has other pods")
	require.EqualValues(t, 2, testutil.ToFloat64(s.metrics.filters.WithLabelValues("cluster")))
	require.EqualValues(t, 1, testutil.ToFloat64(s.metrics.mixed.WithLabelValues("env")))
	require.EqualValues(t, 2, testutil.ToFloat64(s.metrics.mixed.WithLabelValues("cluster")), "they are read as one")
	said := strings.Join(l.lines, "\n")
	require.Contains(t, said, `3 values of env answer for the same pods; only env=\"prod\" is read`)
	require.Contains(t, said, `cluster=~\"eu|us\",cluster!=\"us-old\" lets 2 values of cluster through for the same pods`)
	require.NotContains(t, said, "of cluster answer", "none is left out")
	require.Len(t, l.lines, 3, "nothing is said twice: %s", said)
}

func TestFiltersThatKeepNobodyOutAreNotSpokenOf(t *testing.T) {
	var l logs
	s := asking(t, &standIn{series: spread("env", "prod", "k8s.cluster.name", "eu")}, filtering("prod", `"k8s.cluster.name"!=""`))
	s.log = l.logger()
	require.NoError(t, s.Prepare(context.Background()))
	require.EqualValues(t, 1, testutil.ToFloat64(s.metrics.filters.WithLabelValues("k8s.cluster.name")))
	require.Len(t, l.lines, 1, l.lines)
	require.Contains(t, l.lines[0], "History is there")
}

func TestWhatIsOnlyGoodToKnowMayFail(t *testing.T) {
	var l logs
	p := &standIn{series: day("env", "prod")}
	s := asking(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		for _, part := range []string{"kube_pod_owner", "quantile", "and+on+"} {
			if strings.Contains(string(body), part) {
				refuse(w, 422, "execution", "query timed out in expression evaluation")
				return
			}
		}
		p.ServeHTTP(w, r)
	}), filtering("prod"))
	s.log = l.logger()
	require.NoError(t, s.Prepare(context.Background()))
	require.Len(t, l.lines, 4)
	require.Zero(t, s.scrapeInterval())
	require.Len(t, readAll(t, s), 1)
}

func TestEveryQueryHasEveryFilter(t *testing.T) {
	series := slices.Concat(day("env", "prod", "cluster", "eu", "job", "kubelet"),
		[]stored{told("kube_pod_owner", "namespace", "store", "pod", "shop-0", "owner_kind", "StatefulSet", "owner_name", "shop", "env", "prod", "cluster", "eu")})
	for name, behind := range map[string]func(http.Handler) http.Handler{"remote read": func(p http.Handler) http.Handler { return p }, "query_range": without404} {
		t.Run(name, func(t *testing.T) {
			p := &standIn{series: series}
			s := prepared(t, behind(p), filtering("prod", `cluster=~"eu|us"`, `cluster!="us"`), func(o *Options) { o.Job = "kubelet" })
			_, err := s.Containers(context.Background())
			require.NoError(t, err)
			_, err = s.Owners(context.Background(), []string{"store"}, lastHour().Interval)
			require.NoError(t, err)
			require.Len(t, readAll(t, s), 1)
			var selectors int
			for _, a := range p.requests("") {
				for _, text := range slices.Concat(a.form["query"], a.form["match[]"]) {
					expression, err := promQL.ParseExpr(text)
					require.NoError(t, err)
					left := 0
					for _, matchers := range parser.ExtractSelectors(expression) {
						selectors++
						for _, want := range s.options.filters() {
							if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.String() == want.String() }) {
								left++
								require.Contains(t, text, " and on (", "only the count of others leaves out a label's filters")
							}
						}
						if !strings.Contains(text, "kube_") {
							require.Contains(t, selector(matchers), `job="kubelet"`)
						}
					}
					require.LessOrEqual(t, left, 2, "and of one label alone")
				}
			}
			require.Greater(t, selectors, 12)
			reads := p.remoteReads()
			for _, r := range reads {
				for _, q := range r.Queries {
					require.Equal(t, texts(append([]*labels.Matcher{equal("job", "kubelet")}, s.options.filters()...)), texts(p.internal(q.Matchers[len(q.Matchers)-4:])))
				}
			}
			require.Equal(t, name == "remote read", len(reads) == 2)
		})
	}
}

func TestAServerThatCannotCountAllOfItIsReadInParts(t *testing.T) {
	const many = "the query hit the max number of series limit (limit: 100 series)"
	for name, tc := range map[string]struct {
		read    http.Handler
		streams bool
	}{
		"remote read":       {nil, true},
		"limited, too":      {refusing(422, many), true},
		"query_range alone": {refusing(404, ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &standIn{series: day()}
			handler := instead(p, pathQuery, refusing(422, apiError("execution", many)))
			if tc.read != nil {
				handler = instead(handler, pathRead, tc.read)
			}
			s := prepared(t, handler)
			require.Equal(t, tc.streams, s.seen.Load().streams)
			containers, err := s.Containers(context.Background())
			require.NoError(t, err)
			require.Nil(t, containers)
			if name != "limited, too" {
				require.Len(t, readAll(t, s), 1)
			}
		})
	}
}

func TestAServerThatDoesNotAnswerHasNothing(t *testing.T) {
	s := asking(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { wait(r) }), func(o *Options) { o.QueryTimeout = 30 * time.Millisecond })
	err := s.Prepare(context.Background())
	require.ErrorContains(t, err, "no answer within --prometheus-query-timeout=30ms")
	require.Nil(t, s.seen.Load())
}

func TestTheScrapeIntervalIsThatOfSeriesThatAreNotNew(t *testing.T) {
	young := running(noon.Add(-time.Minute), noon, "store", "shop-1", "app")
	s := prepared(t, &standIn{series: young})
	require.Zero(t, s.scrapeInterval(), "not known")
	s = prepared(t, &standIn{series: slices.Concat(day(), young, running(noon.Add(-2*time.Minute), noon, "store", "shop-2", "app"))})
	require.Equal(t, 30*time.Second, s.scrapeInterval())
}
