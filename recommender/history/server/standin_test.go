package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// noon is when tests happen: well into a day, so that a day's history is there before it.
var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

// standIn is a server with Prometheus' API over HTTP. It has PromQL's own engine, and answers as web/api/v1 and
// storage/remote do. Servers that are built otherwise are made of it, with their own handlers before it.
type standIn struct {
	series []stored
	// external are Prometheus' external labels: remote read knows them, queries do not.
	external map[string]string
	// wholeChunks: remote read sends chunks as they are, with values outside the range.
	wholeChunks bool
	// fault is written into the frames of a remote read, after the first.
	fault string
	// maxSamples is how many samples a query may load; 0: Prometheus' 50 million.
	maxSamples int

	mu    sync.Mutex
	asked []asked
	// reads are the remote reads that were asked for.
	reads []*prompb.ReadRequest
}

// stored is one series.
type stored struct {
	labels labels.Labels
	points []point
}

// asked is a request that was made.
type asked struct {
	path   string
	form   map[string][]string
	header http.Header
}

var (
	_ storage.Queryable = (*standIn)(nil)
	_ http.Handler      = (*standIn)(nil)
)

var promQL = parser.NewParser(parser.Options{})

// recorded is a series with a value every 30 seconds from one time to another.
func recorded(from, to time.Time, value func(age time.Duration) float64, pairs ...string) stored {
	s := stored{labels: labels.FromStrings(pairs...)}
	for at := from; !at.After(to); at = at.Add(30 * time.Second) {
		s.points = append(s.points, point{at.UnixMilli(), value(at.Sub(from))})
	}
	return s
}

// container is the usage of a container until noon, as cAdvisor names it, half a core and 100 MiB.
func running(from, to time.Time, namespace, pod, name string, more ...string) []stored {
	of := append([]string{"namespace", namespace, "pod", pod, "container", name}, more...)
	return []stored{
		recorded(from, to, func(age time.Duration) float64 { return age.Seconds() / 2 }, append([]string{"__name__", "container_cpu_usage_seconds_total"}, of...)...),
		recorded(from, to, func(time.Duration) float64 { return 100 << 20 }, append([]string{"__name__", "container_memory_working_set_bytes"}, of...)...),
	}
}

// told is a series of kube-state-metrics, in the last hour before noon.
func told(metric string, pairs ...string) stored {
	return recorded(noon.Add(-time.Hour), noon.Add(time.Minute), func(time.Duration) float64 { return 1 }, append([]string{"__name__", metric}, pairs...)...)
}

func (p *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.URL.Path != "/api/v1/read" {
		_ = r.ParseForm()
	}
	p.mu.Lock()
	p.asked = append(p.asked, asked{r.URL.Path, maps.Clone(map[string][]string(r.Form)), r.Header.Clone()})
	p.mu.Unlock()
	switch r.URL.Path {
	case "/api/v1/query", "/api/v1/query_range":
		p.query(w, r)
	case "/api/v1/series":
		p.find(w, r)
	case "/api/v1/read":
		p.read(w, body)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

// requests are those made of a path, or with no path, all.
func (p *standIn) requests(path string) []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.asked), func(a asked) bool { return path != "" && a.path != path })
}

func (p *standIn) remoteReads() []*prompb.ReadRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.reads)
}

func (p *standIn) query(w http.ResponseWriter, r *http.Request) {
	most := p.maxSamples
	if most == 0 {
		most = 50_000_000
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: most, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: promQL})
	var query promql.Query
	var err error
	if r.URL.Path == "/api/v1/query" {
		query, err = engine.NewInstantQuery(r.Context(), p, nil, r.Form.Get("query"), timeOf(r.Form.Get("time")))
	} else {
		start, end, step := timeOf(r.Form.Get("start")), timeOf(r.Form.Get("end")), stepOf(r.Form.Get("step"))
		if end.Sub(start)/step > 11000 {
			refuse(w, http.StatusBadRequest, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
			return
		}
		query, err = engine.NewRangeQuery(r.Context(), p, nil, r.Form.Get("query"), start, end, step)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad_data", `invalid parameter "query": `+err.Error())
		return
	}
	defer query.Close()
	result := query.Exec(r.Context())
	var timeout promql.ErrQueryTimeout
	switch {
	case errors.As(result.Err, &timeout):
		refuse(w, http.StatusServiceUnavailable, "timeout", result.Err.Error())
	case result.Err != nil:
		refuse(w, http.StatusUnprocessableEntity, "execution", result.Err.Error())
	default:
		value := any(result.Value)
		if result.Value.String() == "" {
			value = []any{} // and not null
		}
		answerJSON(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"resultType": result.Value.Type(), "result": value}})
	}
}

func (p *standIn) find(w http.ResponseWriter, r *http.Request) {
	from, to := timeOf(r.Form.Get("start")).UnixMilli(), timeOf(r.Form.Get("end")).UnixMilli()
	found := []labels.Labels{}
	for _, text := range r.Form["match[]"] {
		matchers, err := promQL.ParseMetricSelector(text)
		if err != nil {
			refuse(w, http.StatusBadRequest, "bad_data", `invalid parameter "match[]": `+err.Error())
			return
		}
		for _, s := range p.matching(matchers, from, to) {
			found = append(found, s.labels)
		}
	}
	answerJSON(w, http.StatusOK, map[string]any{"status": "success", "data": found})
}

// read answers a remote read as chunks of 120 values, a frame for each series.
func (p *standIn) read(w http.ResponseWriter, body []byte) {
	request, err := readRequestOf(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.reads = append(p.reads, request)
	p.mu.Unlock()
	if !slices.Contains(request.AcceptedResponseTypes, prompb.ReadRequest_STREAMED_XOR_CHUNKS) {
		http.Error(w, "server does not support any of the requested response types", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
	for i, q := range request.Queries {
		for _, s := range p.matching(p.internal(q.Matchers), q.StartTimestampMs, q.EndTimestampMs) {
			if p.wholeChunks {
				s = p.whole(s)
			}
			answer := &prompb.ChunkedReadResponse{QueryIndex: int64(i), ChunkedSeries: []*prompb.ChunkedSeries{{Labels: p.outside(s.labels)}}}
			for some := range slices.Chunk(s.points, 120) {
				answer.ChunkedSeries[0].Chunks = append(answer.ChunkedSeries[0].Chunks, chunkOf(some))
			}
			data, err := answer.Marshal()
			if err != nil {
				panic(err)
			}
			_, _ = w.Write(framed(data))
			if p.fault != "" {
				_, _ = io.WriteString(w, p.fault+"\n") // as http.Error does where the status is sent already
				return
			}
		}
	}
}

// whole is a series with all of its values.
func (p *standIn) whole(of stored) stored {
	return p.series[slices.IndexFunc(p.series, func(s stored) bool { return labels.Equal(s.labels, of.labels) })]
}

// internal are matchers as remote read means them: an external label is one that no stored series has.
func (p *standIn) internal(all []*prompb.LabelMatcher) []*labels.Matcher {
	var matchers []*labels.Matcher
	for _, m := range all {
		value := m.Value
		if m.Type == prompb.LabelMatcher_EQ && p.external[m.Name] == value {
			value = ""
		}
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchType(m.Type), m.Name, value))
	}
	return matchers
}

func (p *standIn) outside(of labels.Labels) (all []prompb.Label) {
	b := labels.NewBuilder(of)
	for name, value := range p.external {
		if !of.Has(name) {
			b.Set(name, value)
		}
	}
	b.Labels().Range(func(l labels.Label) { all = append(all, prompb.Label{Name: l.Name, Value: l.Value}) })
	return all
}

// matching are the series that match, with their values between two times, in milliseconds since 1970.
func (p *standIn) matching(matchers []*labels.Matcher, from, to int64) (all []stored) {
	for _, s := range p.series {
		if slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			continue
		}
		first, _ := slices.BinarySearchFunc(s.points, from, func(p point, t int64) int { return int(p.t - t) })
		last, _ := slices.BinarySearchFunc(s.points, to+1, func(p point, t int64) int { return int(p.t - t) })
		if first < last {
			all = append(all, stored{s.labels, s.points[first:last]})
		}
	}
	slices.SortFunc(all, func(a, b stored) int { return labels.Compare(a.labels, b.labels) })
	return all
}

func readRequestOf(body []byte) (*prompb.ReadRequest, error) {
	data, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, err
	}
	request := &prompb.ReadRequest{}
	return request, request.Unmarshal(data)
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// refuse answers as Prometheus' API does where it cannot.
func refuse(w http.ResponseWriter, status int, kind, message string) {
	answerJSON(w, status, map[string]any{"status": "error", "errorType": kind, "error": message})
}

func timeOf(text string) time.Time {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic("a time: " + text)
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000)))
}

func stepOf(text string) time.Duration {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Duration(seconds * float64(time.Second))
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic("a step: " + text)
	}
	return d
}
