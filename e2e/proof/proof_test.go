package proof

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/history"
)

// read is what one way to read history finds of some workloads, by workload and container.
func byContainer(w history.Workload, found map[string]estimates, into map[string]estimates) {
	for name, e := range found {
		into[w.Namespace+"/"+w.Name+"/"+name] = e
	}
}

func watchAll(r history.Recording) way {
	live := way{name: "live", found: map[string]estimates{}}
	for _, w := range r.Workloads {
		byContainer(w, watch(r, w), live.found)
	}
	return live
}

func upstreamReads(t *testing.T, url string, all []history.Workload) way {
	t.Helper()
	read := way{name: "upstream", found: map[string]estimates{}}
	l, err := loadUpstream(upstreamConfig(url), all)
	require.NoError(t, err)
	for _, w := range all {
		found, err := l.estimates(w)
		require.NoError(t, err)
		byContainer(w, found, read.found)
	}
	return read
}

func TestEightDaysReadAreEightDaysWatched(t *testing.T) {
	if testing.Short() {
		t.Skip("records and reads eight days several times")
	}
	all := workloads()
	traces, ok, err := history.TracesFromEnv()
	if ok {
		require.NoError(t, err)
		all = append(all, replayed(traces)...)
	}
	r := history.Recording{End: time.Now(), Workloads: all}
	live := watchAll(r)
	for _, interval := range []time.Duration{30 * time.Second, time.Minute} {
		t.Run(interval.String(), func(t *testing.T) {
			r.Interval = interval
			url := serve(t, r)
			report(t.Output(), []way{live, upstreamReads(t, url, all)})
		})
	}
}
