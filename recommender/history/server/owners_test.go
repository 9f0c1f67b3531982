package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// chain are the series of kube-state-metrics of a Deployment's and a CronJob's pods, of one that nobody owns and of one
// that is owned but not controlled. prefix is before the labels that Prometheus writes over.
func chain(prefix string, more ...string) []stored {
	link := func(metric string, pairs ...string) stored {
		for i := 0; i < len(pairs); i += 2 {
			if slices.Contains([]string{"namespace", "pod"}, pairs[i]) {
				pairs[i] = prefix + pairs[i]
			}
		}
		return told(metric, append(pairs, more...)...)
	}
	return []stored{
		link("kube_pod_owner", "namespace", "store", "pod", "web-1", "owner_kind", "ReplicaSet", "owner_name", "odd-name", "owner_is_controller", "true"),
		link("kube_replicaset_owner", "namespace", "store", "replicaset", "odd-name", "owner_kind", "Deployment", "owner_name", "shop", "owner_is_controller", "true"),
		link("kube_pod_owner", "namespace", "store", "pod", "nightly-1", "owner_kind", "Job", "owner_name", "nightly-x", "owner_is_controller", "true"),
		link("kube_job_owner", "namespace", "store", "job_name", "nightly-x", "owner_kind", "CronJob", "owner_name", "nightly", "owner_is_controller", "true"),
		link("kube_pod_owner", "namespace", "store", "pod", "shop-0", "owner_kind", "<none>", "owner_name", "<none>", "owner_is_controller", "<none>"),
		link("kube_pod_owner", "namespace", "store", "pod", "shop-1"),
		link("kube_pod_owner", "namespace", "store", "pod", "shop-2", "owner_kind", "Node", "owner_name", "n", "owner_is_controller", "false"),
		link("kube_pod_owner", "namespace", "other", "pod", "web-1", "owner_kind", "StatefulSet", "owner_name", "web", "owner_is_controller", "true"),
	}
}

func TestOwnersComeFromKubeStateMetrics(t *testing.T) {
	own := []string{"namespace", "monitoring", "pod", "ksm-0"}
	for name, tc := range map[string]struct {
		series []stored
		label  string
	}{
		"its own labels":     {chain("", "env", "prod"), "namespace"},
		"written over":       {chain("exported_", append(own, "env", "prod")...), "exported_namespace"},
		"another's beside":   {slices.Concat(chain("", "env", "prod"), []stored{told("kube_pod_owner", "namespace", "store", "pod", "web-1", "owner_kind", "DaemonSet", "owner_name", "theirs", "env", "dev")}), "namespace"},
		"and by two of them": {slices.Concat(chain("", "env", "prod", "instance", "a"), chain("", "env", "prod", "instance", "b")), "namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &standIn{series: slices.Concat(day("env", "prod"), tc.series)}
			s := prepared(t, p, filtering("prod"))
			require.Equal(t, tc.label, s.seen.Load().namespaces)
			links, err := s.Owners(context.Background(), []string{"a.b", "store"}, history.Interval{From: noon.Add(-time.Hour), To: noon})
			require.NoError(t, err)
			owns := func(kind, name, pod string) bool {
				return links.Owns(owners.Workload{Namespace: "store", Kind: kind, Name: name}, pod)
			}
			require.True(t, owns("Deployment", "shop", "web-1"))
			require.True(t, owns("CronJob", "nightly", "nightly-1"))
			require.False(t, owns("DaemonSet", "theirs", "web-1"))
			require.False(t, owns("StatefulSet", "shop", "shop-0"), "nobody owns it")
			require.False(t, owns("StatefulSet", "shop", "shop-1"), "nobody owns it")
			require.True(t, owns("StatefulSet", "shop", "shop-2"), "its controller is not known, so that its name tells")
			require.False(t, links.Owns(owners.Workload{Namespace: "other", Kind: "DaemonSet", Name: "web"}, "web-1"), "not asked for")

			request := p.requests("/" + pathSeries)[0].form
			require.Equal(t, []string{"true"}, request["dedup"])
			require.Equal(t, []string{"false"}, request["partial_response"])
			require.Equal(t, `{__name__="kube_pod_owner",`+tc.label+`=~"a\\.b|store",env="prod"}`, request["match[]"][0])
		})
	}
}

func TestWithoutKubeStateMetricsOwnersAreNotKnown(t *testing.T) {
	s := prepared(t, &standIn{series: slices.Concat(day("env", "prod"), chain("", "env", "dev"))}, filtering("prod"))
	links, err := s.Owners(context.Background(), []string{"store"}, lastHour().Interval)
	require.NoError(t, err)
	require.Nil(t, links)
}

func TestLinksAreReadFromWholeAnswersOnly(t *testing.T) {
	const one = `{"__name__":"kube_pod_owner","namespace":"n","pod":"p","owner_kind":"DaemonSet","owner_name":"d"}`
	for body, want := range map[string]string{
		`{"status":"success","data":[` + one + `]}`:                                  "",
		` {"isPartial":false,"data":[` + one + `],"status":"success","more":[{}]}`:   "",
		`{"status":"success","data":[` + one + `],"infos":["x"],"warnings":[]}`:      "",
		`{"status":"success","data":[` + one + `],"warnings":["No StoreAPIs"]}`:      "the answer is incomplete: No StoreAPIs",
		`{"status":"success","isPartial":true,"data":[` + one + `]}`:                 "the answer is incomplete",
		`{"status":"error","errorType":"execution","error":"exceeded series limit"}`: "too much for one query: it is an error after all: exceeded series limit",
		`{"status":"error","data":null}`:                                             "it is an error after all",
		`{"data":[` + one + `]}`:                                                     "it is an error after all",
		`{"status":"success","data":[` + one:                                         "it is cut off",
		`{"status":"success","data":[` + one + `]`:                                   "it is cut off",
		`{"status":"success","data":[` + one + `]}}`:                                 "it is not the JSON of Prometheus' API",
		`{"status":"success","data":[` + one + `]}{}`:                                "something follows it",
		`{"status":"success","status":"error"}`:                                      "it is not the JSON of Prometheus' API",
		``:                                                                           "it is cut off",
		`[]`:                                                                         "it is no object of Prometheus' API",
		`<html>`:                                                                     "it is not the JSON of Prometheus' API",
		`{"status":"success","data":[1]}`:                                            "cannot unmarshal",
		`{"status":"success","data":["a"]}`:                                          "cannot unmarshal",
		`{"status":"success","data":[{"a":[]}]}`:                                     "cannot unmarshal",
		`{"status":7}`:                                                               "cannot unmarshal",
		"{\"status\":\"success\",\"data\":[\xff]":                                    "it is not the JSON of Prometheus' API",
	} {
		links, err := decodeLinks(strings.NewReader(body))
		if want == "" {
			require.NoError(t, err, body)
			require.True(t, links.Owns(owners.Workload{Namespace: "n", Kind: "DaemonSet", Name: "d"}, "p"), body)
			continue
		}
		require.ErrorContains(t, err, want, body)
		require.Nil(t, links, body)
	}
}

// endless is a text over and over.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], e.text[e.at:])
		n, e.at = n+m, (e.at+m)%len(e.text)
	}
	return n, nil
}

func endlessly(begin, each string) io.Reader {
	return io.MultiReader(strings.NewReader(begin), &endless{text: each})
}

func TestLinksAreBounded(t *testing.T) {
	_, err := decodeLinks(endlessly(`{"status":"success","data":[{}`, `,{}`))
	require.ErrorIs(t, err, history.ErrTooLarge)
	_, err = decodeLinks(endlessly(`{"status":"success","data":[{"a":"`, `a`))
	require.ErrorContains(t, err, "one value, at byte")
}

func TestOwnersThatCannotBeHadAreAnError(t *testing.T) {
	p := &standIn{series: slices.Concat(day(), chain(""))}
	for name, tc := range map[string]struct {
		other      http.Handler
		kind, says string
	}{
		"many":    {refusing(422, apiError("422", "the number of matching timeseries exceeds 30000; either narrow down the search or increase -search.maxSeries")), "too large", "asking for the owners of pods"},
		"partial": {refusing(200, `{"status":"success","isPartial":true,"data":[]}`), "other", "the owners of pods, as SERVER tells: the answer is incomplete"},
		"cut":     {refusing(200, `{"status":"success","data":[`), "other", "it is cut off"},
		"half": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"status":"success","data":[`)
		}), "other", "it is cut off"},
		"slow": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"status":"success","data":[`)
			w.(http.Flusher).Flush()
			wait(r)
		}), "too large", "no answer within --prometheus-query-timeout=100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			s := prepared(t, instead(p, pathSeries, tc.other))
			if name == "slow" {
				s.options.QueryTimeout = 100 * time.Millisecond
			}
			_, err := s.Owners(context.Background(), []string{"store"}, lastHour().Interval)
			require.Equal(t, tc.kind, kindOf(err))
			require.ErrorContains(t, err, strings.ReplaceAll(tc.says, "SERVER", s.name))
		})
	}
}

// FuzzLinks reads whatever stands in the answer to a request for series.
func FuzzLinks(f *testing.F) {
	for _, body := range []string{
		`{"status":"success","data":[{"__name__":"kube_pod_owner","namespace":"n","pod":"p","owner_kind":"DaemonSet","owner_name":"d"}]}`,
		`{"data":[{"__name__":"kube_job_owner","exported_namespace":"n","job_name":"\u0061"}],"status":"success","warnings":null}`,
		`{"status":"error","error":"x"}`, `{"status":"success","data":{"a":[{}]}}`, `[`, `{"status":"success","data":[{"a":{"a":{}}}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		links, err := decodeLinks(strings.NewReader(string(body)))
		require.Equal(t, err != nil, links == nil)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
	})
}

// FuzzVector reads whatever stands in the answer to an instant query.
func FuzzVector(f *testing.F) {
	for _, body := range []string{
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1773057600,"7"]}]}}`,
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1773057600.5,"NaN"]},{"value":[]}]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`, `{"status":"error","error":"\n"}`, `<html>`, `{"status":"success","isPartial":true}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := decodeVector(body)
		require.True(t, err == nil || rows == nil)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 2*maxWords)
		}
	})
}

func TestInstantQueriesAreReadFromWholeAnswersOnly(t *testing.T) {
	vector := func(result string) string {
		return fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
	}
	for body, want := range map[string]string{
		vector(``): "", vector(`{"metric":{"a":"b"},"value":[1,"+Inf"]}`): "",
		vector(`{"metric":{},"value":[1,"x"]}`):                           `"x" is no number`,
		vector(`{"metric":{},"value":[1,2]}`):                             `"" is no number`,
		vector(`{"metric":{},"value":[1]}`):                               `no pair of time and number`,
		`{"status":"success","data":{"resultType":"matrix","result":[]}}`: `it is a "matrix", not a vector`,
		`{"status":"success","isPartial":true}`:                           "the answer is incomplete",
		`{"status":"success","warnings":["a store is away"]}`:             "the answer is incomplete: a store is away",
		apiError("timeout", "query timed out"):                            "too much for one query",
		`{"status":`:                                                      "it is not Prometheus' JSON",
	} {
		_, err := decodeVector([]byte(body))
		if want == "" {
			require.NoError(t, err, body)
			continue
		}
		require.ErrorContains(t, err, want, body)
	}
}
