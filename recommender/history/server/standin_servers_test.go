package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// These servers answer as the real ones do, as far as they differ from Prometheus: paths, headers, statuses, and the words
// of their limits, which are taken from their sources.

// thanos is Thanos Query before two Prometheus.
type thanos struct {
	*standIn
	// away: one of its stores does not answer.
	away bool
}

func (s *thanos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, pathRead) {
		http.NotFound(w, r)
		return
	}
	form := formOf(r)
	if !s.away {
		s.standIn.ServeHTTP(w, r)
		return
	}
	const why = "fetch series for {prometheus=\"a\"} 10.0.0.7:10901: rpc error: code = Unavailable desc = connection error"
	if form["partial_response"] == "false" {
		refuse(w, http.StatusUnprocessableEntity, "execution", "expanding series: proxy Series(): rpc error: code = Aborted desc = "+why)
		return
	}
	rewritten(s.standIn, w, r, func(answer map[string]any) { answer["warnings"] = []string{why} })
}

// tenants answers as Mimir and Cortex do, under /prometheus and for a tenant.
func tenants(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Scope-OrgID") != "team-a" {
			http.Error(w, "no org id", http.StatusUnauthorized)
			return
		}
		http.StripPrefix("/prometheus", next).ServeHTTP(w, r)
	})
}

// mimir streams chunks as they lie in its blocks: with values before and after the range.
func mimir(p *standIn) http.Handler {
	p.wholeChunks = true
	return tenants(p)
}

// cortex answers a remote read with samples, whatever is asked for.
func cortex(p *standIn) http.Handler {
	return tenants(instead(p, pathRead, http.HandlerFunc(p.samples)))
}

// samples answers a remote read without streaming.
func (p *standIn) samples(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	request, err := readRequestOf(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := &prompb.ReadResponse{}
	for _, q := range request.Queries {
		result := &prompb.QueryResult{}
		for _, s := range p.matching(p.internal(q.Matchers), q.StartTimestampMs, q.EndTimestampMs) {
			one := &prompb.TimeSeries{Labels: p.outside(s.labels)}
			for _, v := range s.points {
				one.Samples = append(one.Samples, prompb.Sample{Timestamp: v.t, Value: v.v})
			}
			result.Timeseries = append(result.Timeseries, one)
		}
		answer.Results = append(answer.Results, result)
	}
	data, err := answer.Marshal()
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Header().Set("Content-Encoding", "snappy")
	_, _ = w.Write(snappy.Encode(nil, data))
}

// victoria is VictoriaMetrics.
type victoria struct {
	*standIn
	// partial: one of its stores does not answer.
	partial bool
	// most is how many series a query may touch, 0: any number.
	most int
}

func (s *victoria) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/select/0/prometheus")
	if !ok || strings.HasSuffix(path, pathRead) {
		http.Error(w, fmt.Sprintf("unsupported path requested: %q", r.URL.Path), http.StatusBadRequest)
		return
	}
	form := formOf(r)
	r.URL.Path = path
	fail := func(message string) {
		refuse(w, http.StatusUnprocessableEntity, "422", message)
	}
	switch query := form["query"]; {
	case len(query) > 16<<10:
		fail(fmt.Sprintf("too long query; got %d bytes; mustn't exceed `-search.maxQueryLen=16384` bytes", len(query)))
	case strings.HasSuffix(path, "query_range") && timeOf(form["end"]).Sub(timeOf(form["start"]))/stepOf(form["step"]) >= 30_000:
		fail("too many points for the given start, end and step: the maximum number of points is 30000 (-search.maxPointsPerTimeseries)")
	case s.most > 0 && len(s.series) > s.most:
		fail(fmt.Sprintf("error when executing query=%q on the time range (start=%s, end=%s, step=300000): cannot fetch data: the number of matching timeseries exceeds %d; either narrow down the search or increase -search.max* command-line flag values (the most likely limit is -search.maxUniqueTimeseries)",
			query, form["start"], form["end"], s.most))
	default:
		rewritten(s.standIn, w, r, func(answer map[string]any) {
			answer["isPartial"] = s.partial
			answer["stats"] = map[string]any{"seriesFetched": "2", "executionTimeMsec": 1}
		})
	}
}

// formOf is the form of a request, which may still be read.
func formOf(r *http.Request) map[string]string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	_ = copied.ParseForm()
	form := map[string]string{}
	for key := range copied.Form {
		form[key] = copied.Form.Get(key)
	}
	return form
}

// rewritten answers as next does, with changes to the JSON.
func rewritten(next http.Handler, w http.ResponseWriter, r *http.Request, change func(map[string]any)) {
	recorder := httptest.NewRecorder()
	next.ServeHTTP(recorder, r)
	var answer map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		panic(err)
	}
	change(answer)
	answerJSON(w, recorder.Code, answer)
}

// between makes a change while no request is being answered: a client that has what it wants goes away while the handler
// still runs.
func between(next http.Handler, change func()) (http.Handler, func()) {
	var answering sync.RWMutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answering.RLock()
			defer answering.RUnlock()
			next.ServeHTTP(w, r)
		}), func() {
			answering.Lock()
			defer answering.Unlock()
			change()
		}
}

// proxied is a proxy that wants a login, before a server: oauth2-proxy, or nginx with auth_request.
func proxied(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/oauth2/sign_in":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Sign In</title></head></html>")
		case r.Header.Get("Authorization") == "":
			http.Redirect(w, r, "/oauth2/sign_in?rd="+r.URL.Path, http.StatusFound)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// behind asks a handler that has its API under a path, as the tenant team-a.
func behind(t *testing.T, handler http.Handler, path string, change ...func(*Options)) *Server {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return askingAt(t, server.URL+path, append(change, configured(t, "http_headers: {X-Scope-OrgID: {values: [team-a]}}\n"))...)
}

// replicas are a fleet that two Prometheus scrape, with its owners: what all of these servers hold.
func replicas() []stored {
	var all []stored
	for _, replica := range []string{"a", "b"} {
		all = append(all, running(noon.Add(-48*time.Hour), noon, "store", "web-1", "app", "env", "prod", "replica", replica)...)
		all = append(all, running(noon.Add(-48*time.Hour), noon, "store", "web-1", "app", "env", "dev", "replica", replica)...)
		all = append(all, chain("", "env", "prod", "replica", replica)...)
	}
	return slices.Clip(all)
}
