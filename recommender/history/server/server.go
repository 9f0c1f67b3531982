// Package server reads history from a server with Prometheus' API: Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics.
// It finds out what the server offers, streamed remote read or only query_range, and whose the pods were that are gone.
package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/sartor-vpa/sartor/recommender/history"
)

// Server is one server, as history.Source.
type Server struct {
	options Options
	base    *url.URL
	// name is the address as messages show it: without what may be secret in it.
	name    string
	client  *http.Client
	limiter *rate.Limiter
	metrics *metrics
	veil    *veil
	log     logr.Logger
	now     func() time.Time
	// seen is what Prepare found.
	seen atomic.Pointer[view]
	// interval is between two values of a series, in nanoseconds; 0: not known.
	interval atomic.Int64
	// said is what was last logged about each thing.
	saidMu sync.Mutex
	said   map[string]string
}

// New returns the server at o.Address. client carries authentication and TLS, see Options.Client; it is instrumented
// already where its requests are to be counted, see Instrument. Metrics are registered with r.
func New(client *http.Client, o Options, log logr.Logger, r prometheus.Registerer) (*Server, error) {
	base, err := url.Parse(o.Address)
	if err != nil {
		return nil, errors.New("--prometheus-address is no URL") // and may hold a password, as err would
	}
	shown := url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path}
	return &Server{
		options: o, base: base, name: shown.String(), client: client, limiter: rate.NewLimiter(rate.Limit(o.QPS), 1),
		metrics: newMetrics(r), veil: newVeil(&o), log: log, now: time.Now, said: map[string]string{},
	}, nil
}

// scrapeInterval is the usual time between two values of a series; 0: not known.
func (s *Server) scrapeInterval() time.Duration { return time.Duration(s.interval.Load()) }

// read counts what a query gave.
func (s *Server) read(api string, report history.Report, err error) {
	s.count(api, err)
	if err != nil {
		return
	}
	s.metrics.samples.Add(float64(report.Samples))
	for reason, n := range report.Dropped {
		s.metrics.dropped.WithLabelValues(reason).Add(float64(n))
	}
}

// count counts a question by how it was answered.
func (s *Server) count(api string, err error) {
	result := "failed"
	var busy *history.BusyError
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(err, history.ErrTooLarge):
		result = "too_large"
	case errors.Is(err, history.ErrDenied):
		result = "denied"
	case errors.As(err, &busy):
		result = "busy"
	}
	s.metrics.queries.WithLabelValues(api, result).Inc()
}

// say logs what is known of a thing, unless it was the last that was said of it.
func (s *Server) say(thing, message string, keysAndValues ...any) {
	text := fmt.Sprint(append([]any{message}, keysAndValues...)...)
	s.saidMu.Lock()
	known := s.said[thing] == text
	s.said[thing] = text
	s.saidMu.Unlock()
	if !known {
		s.log.Info(message, keysAndValues...)
	}
}
