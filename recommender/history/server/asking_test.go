package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/recommender/history"
)

// logs keeps what is logged, a line each.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func (l *logs) logger() logr.Logger {
	return funcr.New(func(_, line string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, line)
	}, funcr.Options{})
}

// asking returns a Server that asks handler, at noon.
func asking(t testing.TB, handler http.Handler, change ...func(*Options)) *Server {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return askingAt(t, server.URL, change...)
}

func askingAt(t testing.TB, url string, change ...func(*Options)) *Server {
	o := DefaultOptions()
	o.Address, o.Environment, o.QPS = url, "", 10_000
	for _, f := range change {
		f(&o)
	}
	require.NoError(t, o.Validate())
	client, err := o.Client()
	require.NoError(t, err)
	s, err := New(client, o, logr.Discard(), prometheus.NewRegistry())
	require.NoError(t, err)
	s.now = func() time.Time { return noon }
	t.Cleanup(client.CloseIdleConnections)
	return s
}

// filtered sets a filter by an environment, and matchers beside it.
func filtering(environment string, matchers ...string) func(*Options) {
	return func(o *Options) {
		if environment != "" {
			o.EnvLabel, o.Environment = "env", environment
		}
		for _, text := range matchers {
			m, err := ParseMatcher(text)
			if err != nil {
				panic(err)
			}
			o.Matchers = append(o.Matchers, m)
		}
	}
}

func prepared(t testing.TB, handler http.Handler, change ...func(*Options)) *Server {
	s := asking(t, handler, change...)
	require.NoError(t, s.Prepare(context.Background()))
	return s
}

// without404 is a server without remote read.
func without404(next http.Handler) http.Handler {
	return instead(next, pathRead, refusing(http.StatusNotFound, "404 page not found\n", "Content-Type", "text/plain; charset=utf-8"))
}

// instead answers one path otherwise.
func instead(next http.Handler, path string, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, path) {
			other.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// moveTo makes the server answer from another address.
func moveTo(t *testing.T, s *Server, address string) {
	base, err := url.Parse(address)
	require.NoError(t, err)
	s.base = base
}

// lastHour asks for everything in store.
func lastHour() history.Query {
	return history.Query{Interval: history.Interval{From: noon.Add(-time.Hour), To: noon}, Namespaces: []string{"store"},
		Wanted: func(string, string) bool { return true }, PeakSpan: time.Hour}
}

// readAll returns the last hour's usage, which must be whole: half a core and 100 MiB, in each container.
func readAll(t *testing.T, s *Server) (containers []string) {
	_, err := s.Read(context.Background(), lastHour(), func(u history.Usage) {
		containers = append(containers, u.Container.Namespace+"/"+u.Container.Pod+"/"+u.Container.Name)
		require.Len(t, u.CPU, 60)
		for i, v := range u.CPU[1:59] {
			require.EqualValues(t, 500, v, "minute %d", i+1)
		}
		require.NotEmpty(t, u.Memory)
		for _, p := range u.Memory {
			require.EqualValues(t, 100<<20, p.Bytes)
		}
	})
	require.NoError(t, err)
	return containers
}
