package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// values are those of a series as a server writes them, by seconds after the interval's beginning.
func values(points ...point) string {
	texts := make([]string, len(points))
	for i, p := range points {
		texts[i] = fmt.Sprintf(`[%v,"%v"]`, float64(p.t)/1000, p.v)
	}
	return "[" + strings.Join(texts, ",") + "]"
}

const shopMetric = `{"container":"shop","namespace":"store","pod":"` + shop + `"}`

func oneSeries(points ...point) string {
	return `{"metric":` + shopMetric + `,"values":` + values(points...) + `}`
}

func success(series ...string) string {
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

// matrixOf reads answers about CPU and memory, at a step.
func matrixOf(q history.Query, step time.Duration, cpu, memory string) (taken, error) {
	o := DefaultOptions()
	o.MaxSeries, o.MaxSamples = 2, 100
	s := newShard(q, &o)
	defer s.free()
	var k taken
	for r, body := range map[usage.Resource]string{usage.CPU: cpu, usage.Memory: memory} {
		if err := s.matrix(strings.NewReader(body), r, step, o.Labels); err != nil {
			return k, err
		}
	}
	s.hand(k.each)
	k.report = s.report(step)
	return k, nil
}

func TestAStepsValueIsThatOfItsMinutes(t *testing.T) {
	const five = 300
	for name, tc := range map[string]struct {
		length  time.Duration
		points  []point
		cpu     map[int]int32
		memory  map[int]usage.Amount
		dropped history.Dropped
	}{
		"both steps": {10 * time.Minute, []point{at(five, 1), at(2*five, 2)},
			map[int]int32{0: 1000, 1: 1000, 2: 1000, 3: 1000, 4: 1000, 5: 2000, 6: 2000, 7: 2000, 8: 2000, 9: 2000}, map[int]usage.Amount{0: 1, 5: 2}, history.Dropped{}},
		"the last ends behind the interval": {7 * time.Minute, []point{at(2*five, 2)}, map[int]int32{5: 2000, 6: 2000}, map[int]usage.Amount{5: 2}, history.Dropped{}},
		"the first begins before it":        {10 * time.Minute, []point{at(60, 2)}, map[int]int32{0: 2000}, map[int]usage.Amount{0: 2}, history.Dropped{}},
		"the interval is shorter":           {2 * time.Minute, []point{at(240, 2)}, map[int]int32{0: 2000, 1: 2000}, map[int]usage.Amount{0: 2}, history.Dropped{}},
		"others are not ours":               {10 * time.Minute, []point{at(-five, 7), at(0, 7), at(five, 2), at(3*five, 9), at(1e9, 9)}, map[int]int32{0: 2000, 1: 2000, 2: 2000, 3: 2000, 4: 2000}, map[int]usage.Amount{0: 2}, history.Dropped{}},
		"not on a whole minute":             {10 * time.Minute, []point{at(200.5, 2)}, map[int]int32{0: 2000, 1: 2000, 2: 2000, 3: 2000}, map[int]usage.Amount{0: 2}, history.Dropped{}},
		"twice the same time":               {5 * time.Minute, []point{at(five, 2), at(five, 3)}, map[int]int32{0: 2000, 1: 2000, 2: 2000, 3: 2000, 4: 2000}, map[int]usage.Amount{0: 2}, history.Dropped{outOfOrder: 2}},
		"negative":                          {10 * time.Minute, []point{at(five, -2)}, map[int]int32{}, map[int]usage.Amount{}, history.Dropped{negative: 2}},
		"no usage is usage":                 {1 * time.Minute, []point{at(60, 0)}, map[int]int32{0: 0}, map[int]usage.Amount{0: 0}, history.Dropped{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := matrixOf(lasting(tc.length), 5*time.Minute, success(oneSeries(tc.points...)), success(oneSeries(tc.points...)))
			require.NoError(t, err)
			require.Equal(t, tc.cpu, got.cpu(t))
			require.Equal(t, tc.memory, got.memory(t))
			require.Equal(t, tc.dropped, got.report.Dropped)
			require.Equal(t, 2*len(tc.points), got.report.Samples)
			require.Equal(t, 5*time.Minute, got.report.Resolution)
		})
	}
}

func TestWhatIsNoUsageIsDroppedFromRangesToo(t *testing.T) {
	series := func(v string) string {
		return fmt.Sprintf(`{"metric":%s,"values":[[%d,"%s"]]}`, shopMetric, begin.Unix()+300, v)
	}
	for v, want := range map[string]history.Dropped{
		"NaN": {notANumber: 2}, "+Inf": {notANumber: 2}, "-Inf": {notANumber: 2}, "-1e-9": {negative: 2},
		"10001": {absurd: 1}, "1e14": {absurd: 2}, "18446744073709551617": {absurd: 2}, "10000": {},
	} {
		got, err := matrixOf(tenMinutes, 5*time.Minute, success(series(v)), success(series(v)))
		require.NoError(t, err, v)
		require.Equal(t, want, got.report.Dropped, v)
	}
}

func TestTheOrderOfTheFieldsDoesNotMatter(t *testing.T) {
	body := `
	{ "infos": ["PromQL info: metric might not be a counter"], "warnings": ["PromQL warning: quantile", "PromQL info: as Prometheus said it once"], "isPartial": false,
	  "data": { "stats": {"a": [[[{}]]]}, "result": [
	    { "values": [ [ ` + fmt.Sprint(begin.Unix()+300) + ` , "0.5" ] , [` + fmt.Sprint(begin.Unix()+600) + `,"1"] ], "histograms": [[1,{"count":"1"}]], "metric": ` + shopMetric + ` },
	    { "values": [], "metric": {"pod":"p\u00e9", "namespace":"n", "container":"c"} } ],
	    "resultType": "matrix" }, "trace": null, "status": "success" } `
	got, err := matrixOf(tenMinutes, 5*time.Minute, body, success())
	require.NoError(t, err)
	require.Equal(t, map[int]int32{0: 500, 1: 500, 2: 500, 3: 500, 4: 500, 5: 1000, 6: 1000, 7: 1000, 8: 1000, 9: 1000}, got.cpu(t))
	require.Equal(t, history.Report{Resolution: 5 * time.Minute, Series: 2, Samples: 2, Dropped: history.Dropped{histogram: 1}}, got.report)
}

func TestSeriesWithoutALabelAndPodsNotWantedAreLeftOut(t *testing.T) {
	q := tenMinutes
	q.Wanted = func(_, pod string) bool { return pod == shop }
	nobodys := `{"metric":{"namespace":"store","pod":"x"},"values":` + values(at(300, 1)) + `}`
	others := `{"metric":{"namespace":"store","pod":"x","container":"c"},"values":` + values(at(300, 1)) + `}`
	got, err := matrixOf(q, 5*time.Minute, success(nobodys, others, oneSeries(at(60, 1))), success())
	require.NoError(t, err)
	require.Equal(t, map[int]int32{0: 1000}, got.cpu(t))
	require.Equal(t, history.Dropped{missingLabel: 1}, got.report.Dropped)
}

func TestAnAnswerThatIsNotWholeOrNotTheAPIsIsNone(t *testing.T) {
	good := oneSeries(at(300, 1))
	series := func(values string) string { return success(good, `{"metric":`+shopMetric+`,"values":`+values+`}`) }
	for name, tc := range map[string]struct{ body, want string }{
		"nothing":                  {"", "cut off"},
		"cut off":                  {strings.TrimSuffix(success(good), "}}"), "cut off"},
		"HTML":                     {"<html>", "not the JSON"},
		"something behind it":      {success(good) + "{}", "something follows"},
		"an error after all":       {`{"status":"error","errorType":"execution","error":"expanding series: store-7 is gone"}`, "store-7 is gone"},
		"an error with null":       {`{"data":null,"status":"error","error":"e"}`, "error after all: e"},
		"no status":                {`{"data":{"resultType":"matrix","result":[]}}`, "error after all"},
		"a vector":                 {`{"status":"success","data":{"resultType":"vector","result":[]}}`, `"vector", not a matrix`},
		"no data":                  {`{"status":"success"}`, `"", not a matrix`},
		"Thanos' warning":          {`{"warnings":["No StoreAPIs matched for this query"],` + success(good)[1:], errPartial.Error()},
		"VictoriaMetrics' flag":    {`{"isPartial":true,` + success(good)[1:], errPartial.Error()},
		"a flag of another type":   {`{"isPartial":"true",` + success(good)[1:], "isPartial"},
		"a list":                   {`[]`, "an answer is not"},
		"data of another type":     {`{"status":"success","data":[]}`, "data is not"},
		"result of another type":   {`{"status":"success","data":{"resultType":"matrix","result":{}}}`, "result is not"},
		"status of another type":   {`{"status":7}`, "status is not"},
		"metric of another type":   {success(good, `{"metric":[],"values":[]}`), "metric is not"},
		"a label of another type":  {success(good, `{"metric":{"pod":7},"values":[]}`), "metric is not"},
		"a series of another type": {success(good, `7`), "a series is not"},
		"a series of nobody":       {success(good, `{"values":[]}`), "no metric"},
		"a key twice":              {`{"status":"success","status":"success"}`, "not the JSON"},
		"a metric twice":           {success(`{"metric":` + shopMetric + `,"metric":{},"values":[]}`), "not the JSON"},
		"deep nesting":             {`{"x":` + strings.Repeat("[", 20_000), "not the JSON"},
		"values of another type":   {series(`{}`), errPair.Error()},
		"values that are null":     {series(`null`), errPair.Error()},
		"a value of another type":  {series(`[7]`), errPair.Error()},
		"a value of one":           {series(`[[7]]`), errPair.Error()},
		"a value of three":         {series(`[[7,"1",2]]`), errPair.Error()},
		"a value that is a number": {series(`[[7,1]]`), errPair.Error()},
		"a value without digits":   {series(`[[7,"x"]]`), errPair.Error()},
		"a time that is text":      {series(`[["7","1"]]`), errPair.Error()},
		"too many series":          {success(slices.Repeat([]string{good}, 9)...), "more than 8 series"},
		"too many samples":         {series("[" + strings.Join(slices.Repeat([]string{`[7,"1"]`}, 101), ",") + "]"), "--prometheus-max-samples=100"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := matrixOf(tenMinutes, 5*time.Minute, tc.body, success(good))
			if err == nil {
				t.Fatal("no error")
			}
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, got.all)
			require.Equal(t, strings.HasPrefix(name, "too many"), isTooLarge(err))
		})
	}
}
