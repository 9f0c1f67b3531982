package scenarios

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
)

// fault is one way in which a question about history is answered badly, and what the condition then says of it.
type fault struct {
	path string // of the question
	do   func(w http.ResponseWriter, r *http.Request, next http.Handler)
	says string
}

// status answers with one, and a text.
func status(code int, text string, header ...string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}
}

// page is what a proxy with a login shows.
var page = status(http.StatusOK, "<html>Sign in</html>", "Content-Type", "text/html")

// text answers with success and what is no good answer.
func text(body string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return status(http.StatusOK, body, "Content-Type", "application/json")
}

// cut ends the connection in the middle of a good answer.
func cut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(&cutOff{ResponseWriter: w, left: 40}, r)
}

// flip changes one bit of a good answer.
func flip(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(&flipping{ResponseWriter: w}, r)
}

type flipping struct {
	http.ResponseWriter
	done bool
}

func (f *flipping) Write(p []byte) (int, error) {
	if !f.done && len(p) > 100 {
		f.done, p = true, slices.Clone(p)
		p[100] ^= 1
	}
	return f.ResponseWriter.Write(p)
}

// busyFor is how long a server wants to be left alone, in seconds.
const busyFor = 3

// mixed puts what is wrong with questions of a data path between what is wrong with the preflight's. After a data path's
// fault that is not the server's being busy the preflight comes again.
func mixed(data ...fault) []fault {
	preflight := []fault{
		{pathQuery, page, "it answered with a web page, not with Prometheus' API"},
		{pathQuery, text(`{"status": "success", "data": {"resultType": "matrix", "result": []}}`), `it is a "matrix", not a vector`},
		{pathQuery, cut, "unexpected EOF"},
		{pathQuery, status(http.StatusBadGateway, "no upstream"), "502 Bad Gateway: no upstream"},
	}
	var all []fault
	for i, f := range data {
		all = append(all, f)
		if i >= 2 && i-2 < len(preflight) {
			all = append(all, preflight[i-2])
		}
	}
	return all
}

// faultyServer answers badly, fault after fault, each at the first question of its path after the last fault has been got
// over: history was read again since. A fault of the preflight follows the one before it at once.
type faultyServer struct {
	needs int // good answers to questions for history, before the next

	mu     sync.Mutex
	faults []fault
	met    int
	good   int
	busy   time.Time  // when it said it was
	early  []question // that came though it was
}

func (s *faultyServer) layer(t *testing.T) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := questionOf(t, r)
			if f := s.next(q); f != nil {
				f.do(w, r, next)
				return
			}
			next.ServeHTTP(w, r)
			if q.reads() {
				s.mu.Lock()
				s.good++
				s.mu.Unlock()
			}
		})
	}
}

// next is the fault that a question meets, nil if it is answered well.
func (s *faultyServer) next(q question) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.busy) < busyFor*time.Second {
		s.early = append(s.early, q)
	}
	if s.met == len(s.faults) || s.faults[s.met].path != q.path || q.path != pathQuery && (!q.reads() || s.good < s.needs) {
		return nil
	}
	f := &s.faults[s.met]
	s.met, s.good = s.met+1, 0
	if strings.HasPrefix(f.says, "429") {
		s.busy = time.Now()
	}
	return f
}

// answersBadly: every fault of streamed remote read, and of the preflight before it.
func (l *library) answersBadly(t *testing.T) {
	l.getsOver(t, "faulty", &faultyServer{needs: 1, faults: mixed(
		fault{pathRead, status(http.StatusServiceUnavailable, "starting up"), "503 Service Unavailable: starting up"},
		fault{pathRead, status(http.StatusTooManyRequests, "slow down", "Retry-After", fmt.Sprint(busyFor)), "429 Too Many Requests: slow down"},
		fault{pathRead, page, "it answered with a web page, not with Prometheus' API"},
		fault{pathRead, cut, "unexpected EOF"},
		fault{pathRead, flip, "checksum does not match"},
		fault{pathRead, status(http.StatusInternalServerError, "panic"), "500 Internal Server Error: panic"},
	)})
}

// answersRangesBadly: the same of range queries.
func (l *library) answersRangesBadly(t *testing.T) {
	l.getsOver(t, "faulty-range", &faultyServer{needs: 2, faults: mixed(
		fault{pathRange, status(http.StatusServiceUnavailable, "starting up"), "503 Service Unavailable: starting up"},
		fault{pathRange, status(http.StatusTooManyRequests, "slow down", "Retry-After", fmt.Sprint(busyFor)), "429 Too Many Requests: slow down"},
		fault{pathRange, page, "it answered with a web page, not with Prometheus' API"},
		fault{pathRange, cut, "unexpected EOF"},
		fault{pathRange, text(`{"status": "success", "data": {"resultType": "vector", "result": []}}`), `it is a "vector", not a matrix`},
		fault{pathRange, text(`{"status": "success", "isPartial": true, "data": {"resultType": "matrix", "result": []}}`), "the answer is incomplete"},
		fault{pathRange, text(`{"status": "success", "warnings": ["a store is gone"], "data": {"resultType": "matrix", "result": []}}`), "a store is gone"},
	)}, withoutRemoteRead)
}

// getsOver reads the same history through the faults and without them.
func (l *library) getsOver(t *testing.T, name string, faulty *faultyServer, layers ...func(http.Handler) http.Handler) {
	recording := history.Recording{Workloads: []history.Workload{of("nightly", "prod", 1)}}
	p := l.prometheus(t, name, cluster.Prometheus{Blocks: write(t, &recording)})
	control, suffers := name+"-control", name
	for vpa, address := range map[string]string{
		control: between(t, p.url, layers...),
		suffers: between(t, p.url, append(layers, faulty.layer(t))...),
	} {
		r := l.recommender(t, visitor{name: vpa, address: address, env: "prod", args: []string{environmentFilter, "--prometheus-concurrency=1"}})
		l.vpa(t, vpa, vpa, history.Deployment, "nightly")
		defer func() {
			require.NoError(t, answers(t.Context(), r.URL+"/healthz"), "the loop has kept its beat")
			requireRunning(t, r)
		}()
	}
	got, want := l.loaded(t, suffers), l.loaded(t, control)
	require.Equal(t, want.render(), got.render(), "nothing of the broken answers was used")
	require.Equal(t, want.fetching().Message, got.fetching().Message)
	if len(layers) == 0 {
		requireOracle(t, recording, recording.Workloads[0], got)
	}
	faulty.mu.Lock()
	defer faulty.mu.Unlock()
	require.Len(t, faulty.faults, faulty.met, "all faults were met")
	require.Empty(t, faulty.early, "a server that wants to be left alone is")
	heard := l.heard(suffers)
	for i, f := range faulty.faults {
		told := func(message string) bool { return strings.Contains(message, f.says) }
		require.True(t, slices.ContainsFunc(heard, told), "fault %d, %q, is told by the condition: %v", i, f.says, heard)
	}
}
