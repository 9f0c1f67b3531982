package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

func resolution(d time.Duration) func(*Options) { return func(o *Options) { o.Resolution = d } }

func TestARangeQueryAsksForWholeStepsAroundTheInterval(t *testing.T) {
	clock := func(text string) time.Time {
		midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var hour, minute int
		_, err := fmt.Sscanf(text, "%d:%d:00", &hour, &minute)
		require.NoError(t, err)
		return midnight.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	for name, tc := range map[string]struct {
		from, to, start, end string
		step                 time.Duration
	}{
		"on steps":          {"00:00:00", "12:00:00", "00:05:00", "12:00:00", 5 * time.Minute},
		"a ragged end":      {"00:00:00", "12:01:00", "00:01:00", "12:01:00", 5 * time.Minute},
		"a day":             {"00:00:00", "24:00:00", "00:03:00", "24:03:00", 5 * time.Minute},
		"a ragged start":    {"00:04:00", "12:00:00", "00:05:00", "12:00:00", 5 * time.Minute},
		"within one step":   {"00:21:00", "00:23:00", "00:23:00", "00:23:00", time.Hour},
		"minutes":           {"00:21:00", "00:23:00", "00:22:00", "00:23:00", time.Minute},
		"not of the hour":   {"00:00:00", "01:00:00", "00:12:00", "01:00:00", 16 * time.Minute},
		"a day in one step": {"03:00:00", "04:00:00", "00:00:00", "00:00:00", 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := askingAt(t, "http://prometheus", func(o *Options) { o.Resolution = min(tc.step, time.Hour) })
			s.options.Resolution = tc.step
			q := history.Query{Interval: history.Interval{From: clock(tc.from), To: clock(tc.to)}, Namespaces: []string{"store"}}
			got, err := s.rangeParameters(usage.CPU, q)
			require.NoError(t, err)
			start, end, step := timeOf(got.Get("start")), timeOf(got.Get("end")), tc.step
			if step < 24*time.Hour {
				require.Equal(t, []time.Time{clock(tc.start), clock(tc.end)}, []time.Time{start.UTC(), end.UTC()})
			}
			require.True(t, start.After(q.From) && !start.Add(-step).After(q.From), "the first covers the interval's beginning")
			require.True(t, end.Add(-step).Before(q.To) && !end.Before(q.To), "the last covers its end")
			require.LessOrEqual(t, end.Sub(start)/step, 1440*time.Nanosecond)
		})
	}
}

func TestDaysAreSeenAtDifferentMinutesOfTheirSteps(t *testing.T) {
	seen := map[time.Duration]int{}
	for day := range 10 {
		seen[shiftOf(begin.Truncate(24*time.Hour).AddDate(0, 0, day), 5*time.Minute)]++
	}
	require.Equal(t, map[time.Duration]int{0: 2, time.Minute: 2, 2 * time.Minute: 2, 3 * time.Minute: 2, 4 * time.Minute: 2}, seen)
}

func TestARateIsTakenOverTwoScrapes(t *testing.T) {
	for _, tc := range []struct {
		step, interval time.Duration
		want           string
	}{
		{5 * time.Minute, 0, "[5m]"},
		{5 * time.Minute, 30 * time.Second, "(rate({__name__=\"container_cpu_usage_seconds_total\",namespace=\"store\",container!=\"\",container!=\"POD\"}[1m30s]))"},
		{5 * time.Minute, time.Minute, "(irate({__name__=\"container_cpu_usage_seconds_total\",namespace=\"store\",container!=\"\",container!=\"POD\"}[2m30s]))"},
		{time.Minute, 0, "[2m30s]"},
		{time.Minute, 15 * time.Second, "[1m]"},
		{time.Minute, 30 * time.Second, "[1m30s]"},
		{time.Minute, 30*time.Second + 1, "[1m30s]"},
		{time.Minute, 61 * time.Second, "[3m]"},
		{time.Hour, 2 * time.Minute, "[5m]"},
	} {
		s := askingAt(t, "http://prometheus", resolution(tc.step))
		s.interval.Store(int64(tc.interval))
		got, err := s.expression(usage.CPU, tenMinutes)
		require.NoError(t, err)
		require.Contains(t, got, tc.want)
	}
}

func TestARangeQuerySelectsWhatIsAskedForAndNothingElse(t *testing.T) {
	hostile := "pr\"od{}\\\n|.*"
	s := askingAt(t, "http://prometheus", filtering(hostile, `cluster=~"eu-.+"`))
	q := tenMinutes
	q.Namespaces, q.Pods = []string{"a.b", "store"}, `shop-[0-9]+`
	for r, want := range map[usage.Resource]string{
		usage.CPU:    `max by (namespace,pod,container) (rate({__name__="container_cpu_usage_seconds_total",namespace=~"a\\.b|store",pod=~"shop-[0-9]+",container!="",container!="POD",env="pr\"od{}\\\n|.*",cluster=~"eu-.+"}[5m]))`,
		usage.Memory: `max by (namespace,pod,container) (max_over_time({__name__="container_memory_working_set_bytes",namespace=~"a\\.b|store",pod=~"shop-[0-9]+",container!="",container!="POD",env="pr\"od{}\\\n|.*",cluster=~"eu-.+"}[5m]))`,
	} {
		got, err := s.rangeParameters(r, q)
		require.NoError(t, err)
		require.Equal(t, want, got.Get("query"))
		_, err = promQL.ParseExpr(got.Get("query"))
		require.NoError(t, err)
		for name, want := range map[string]string{"partial_response": "false", "dedup": "true", "max_source_resolution": "0s", "timeout": "300s", "step": "5m"} {
			require.Equal(t, want, got.Get(name), name)
		}
	}
	q.Pods = "("
	_, err := s.readRange(context.Background(), q, nil)
	require.ErrorContains(t, err, "the names of pods")
}

// bursty is a server with a container that works in bursts of some minutes, in two replicas of Prometheus, and one of
// another environment, for two days before noon.
func bursty() *standIn {
	var total float64
	used := func(age time.Duration) float64 {
		total += 30 * 0.1
		if int(age.Minutes())%60 < 7 {
			total += 30 * 0.9
		}
		return total
	}
	bytes := func(age time.Duration) float64 { return 1e8 + float64(int(age.Seconds())*7919%1000_000) }
	of := []string{"namespace", "store", "pod", "shop-0", "container", "app", "env", "prod"}
	from := noon.Add(-48*time.Hour - 11*time.Second)
	p := &standIn{}
	for _, replica := range []string{"a", "b"} {
		total = 0
		with := append([]string{"replica", replica}, of...)
		p.series = append(p.series,
			recorded(from, noon, used, append([]string{"__name__", "container_cpu_usage_seconds_total"}, with...)...),
			recorded(from, noon, bytes, append([]string{"__name__", "container_memory_working_set_bytes"}, with...)...))
	}
	p.series = append(p.series, running(from, noon, "store", "shop-0", "app", "env", "dev", "cpu", "9")...)
	return p
}

func yesterday() history.Query {
	q := lasting(0)
	q.From, q.To = noon.Add(-36*time.Hour), noon.Add(-12*time.Hour)
	return q
}

func read(t *testing.T, by func(context.Context, history.Query, func(history.Usage)) (history.Report, error), q history.Query) taken {
	var k taken
	report, err := by(context.Background(), q, k.each)
	require.NoError(t, err)
	k.report = report
	require.Len(t, k.all, 1)
	return k
}

func TestBothWaysToReadGiveTheSame(t *testing.T) {
	s := prepared(t, bursty(), filtering("prod"), resolution(time.Minute))
	q := yesterday()
	remote, ranged := read(t, s.readRemote, q), read(t, s.readRange, q)
	require.Equal(t, usage.Container{Namespace: "store", Pod: "shop-0", Name: "app"}, remote.all[0].Container)
	require.Equal(t, remote.all[0].Container, ranged.all[0].Container)
	require.Equal(t, history.Report{Resolution: time.Minute, Series: 4, Samples: 4 * (24*60*2 + 12), Dropped: history.Dropped{duplicate: 2}}, remote.report)
	require.Equal(t, history.Report{Resolution: time.Minute, Series: 2, Samples: 2 * 24 * 60, Dropped: history.Dropped{}}, ranged.report)
	exact, near := remote.all[0].CPU, ranged.all[0].CPU
	for m := range exact {
		// A rate over a minute and a half begins and ends to rise one minute early or late.
		low, high := exact[m], exact[m]
		for _, by := range []int{m - 1, m + 1} {
			if by >= 0 && by < len(exact) {
				low, high = min(low, exact[by]), max(high, exact[by])
			}
		}
		require.GreaterOrEqual(t, near[m], low-1, m)
		require.LessOrEqual(t, near[m], high+1, m)
	}
	require.Equal(t, hourly(q, remote.all[0].Memory), hourly(q, ranged.all[0].Memory))
}

// hourly is the largest memory of each hour.
func hourly(q history.Query, peaks []history.Peak) (all [24]usage.Amount) {
	for _, p := range peaks {
		h := p.Minute.Sub(q.From) / time.Hour
		all[h] = max(all[h], p.Bytes)
	}
	return all
}

func TestAtAStepOfFiveMinutesAllMinutesAreKnownAndNoPeakIsLost(t *testing.T) {
	s := prepared(t, bursty(), filtering("prod"))
	q := yesterday()
	remote, ranged := read(t, s.readRemote, q), read(t, s.readRange, q)
	require.Equal(t, 5*time.Minute, ranged.report.Resolution)
	require.NotContains(t, ranged.all[0].CPU, history.Unknown)
	var exact, near int
	for m := range remote.all[0].CPU {
		exact += int(remote.all[0].CPU[m])
		near += int(ranged.all[0].CPU[m])
	}
	require.InEpsilon(t, exact, near, 0.05, "the same use in sum, but for what a rate extrapolates")
	require.Equal(t, hourly(q, remote.all[0].Memory), hourly(q, ranged.all[0].Memory))
}

func TestNothingIsHandedOverUnlessBothRangesAreThere(t *testing.T) {
	for name, answer := range map[string]string{
		"an error":         `{"status":"error","errorType":"execution","error":"a store is gone"}`,
		"a partial answer": `{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}`,
		"a cut one":        `{"status":"success","data":{"resultType":"matrix","result":[`,
	} {
		t.Run(name, func(t *testing.T) {
			p := bursty()
			s := asking(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.FormValue("query"), "memory") {
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, answer)
					return
				}
				p.ServeHTTP(w, r)
			}))
			report, err := s.readRange(context.Background(), yesterday(), func(history.Usage) { t.Error("handed over") })
			require.ErrorContains(t, err, "querying memory of http://127.0.0.1")
			require.NotErrorIs(t, err, history.ErrTooLarge)
			require.Zero(t, report)
		})
	}
}
