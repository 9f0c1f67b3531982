package scenarios

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
)

// isDownAtFirst: a recommender without checkpoints starts again while its Prometheus is down. What it had published stays, a
// new VPA waits, and the rounds go on; when Prometheus is back the same process reads all.
func (l *library) isDownAtFirst(t *testing.T) {
	recording := history.Recording{Workloads: []history.Workload{of("nightly", "prod", 1), of("shop-db", "prod", 1)}}
	p := l.prometheus(t, "outage", cluster.Prometheus{Blocks: write(t, &recording)})
	r := visitor{name: "outage", address: p.url, env: "prod", args: []string{environmentFilter, "--storage=prometheus"}}
	first := l.recommender(t, r)
	l.vpa(t, r.name, "outage-old", history.Deployment, "nightly")
	before := l.loaded(t, "outage-old")
	requireOracle(t, recording, recording.Workloads[0], before)
	require.NoError(t, first.Kill())
	require.NoError(t, p.Kill())

	second := l.recommender(t, r)
	l.vpa(t, r.name, "outage-new", history.StatefulSet, "shop-db")
	l.trouble(t, "outage-old", "connection refused")
	l.trouble(t, "outage-new", "connection refused")
	afterLoops(t, second, 3)
	require.Equal(t, before.render(), l.published.last()["outage-old"].render())
	require.Empty(t, l.published.last()["outage-new"].values, "a VPA without history waits for it")

	p.start(t)
	require.Equal(t, before.render(), l.loaded(t, "outage-old").render())
	requireOracle(t, recording, recording.Workloads[1], l.loaded(t, "outage-new"))
	for _, r := range l.published.since("outage-old", before) {
		for name, was := range before.values { // a part of history may say more
			require.GreaterOrEqual(t, r.values[name], was, "%s is never lowered: %v", name, r.vpa.Status.Conditions)
		}
	}
	requireRunning(t, second)
}

// requireRunning: the program has not ended meanwhile.
func requireRunning(t *testing.T, p *install.Program) {
	t.Helper()
	select {
	case <-p.Done():
		require.NoError(t, p.Died())
	default:
	}
}

// dripping writes a little at a time.
type dripping struct{ http.ResponseWriter }

func (d dripping) Write(p []byte) (int, error) {
	const drops = 10
	written := 0
	for size := (len(p) + drops - 1) / drops; written < len(p); {
		n, err := d.ResponseWriter.Write(p[written:min(written+size, len(p))])
		written += n
		if err != nil {
			return written, err
		}
		_ = http.NewResponseController(d.ResponseWriter).Flush()
		<-time.After(20 * time.Millisecond) // this is the fault, and waits for nothing
	}
	return written, nil
}

// hangsAndDies: one answer comes slowly, then Prometheus is stopped in the middle of a question, and resumed; then it is
// killed in the middle of an answer, and started again with the same blocks.
func (l *library) hangsAndDies(t *testing.T) {
	recording := history.Recording{Workloads: []history.Workload{of("shop-api", "prod", 1)}}
	p := l.prometheus(t, "mortal", cluster.Prometheus{Blocks: write(t, &recording)})
	paused, killed, hangs := make(chan error, 1), make(chan error, 1), make(chan struct{})
	reads := &atomic.Int32{}
	address := between(t, p.url, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			read := int32(0)
			if r.URL.Path == pathRead {
				read = reads.Add(1)
			}
			switch read {
			case 2: // the first looks what there is
				w = dripping{w}
			case 3:
				paused <- p.Pause()
				close(hangs)
			case 12: // a day is read in parts by now
				w = &cutOff{ResponseWriter: w, left: 100, then: func() { killed <- p.Kill() }}
			}
			next.ServeHTTP(w, r)
		})
	})
	recommender := l.recommender(t, visitor{name: "mortal", address: address, env: "prod", args: []string{environmentFilter, "--prometheus-query-timeout=1s", "--prometheus-concurrency=1"}})
	l.vpa(t, "mortal", "mortal", history.Deployment, "shop-api")
	require.NoError(t, <-paused)
	<-hangs
	l.trouble(t, "mortal", "--prometheus-query-timeout=1s")
	afterLoops(t, recommender, 2)
	require.NoError(t, p.Resume())
	require.NoError(t, <-killed)
	l.trouble(t, "mortal", "502 Bad Gateway") // which is what stands between says of a server that is gone
	p.start(t)
	requireOracle(t, recording, recording.Workloads[0], l.loaded(t, "mortal"))
	requireRunning(t, recommender)
}
