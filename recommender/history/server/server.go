// Package server reads history from a server with Prometheus' API: Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics.
// It finds out what the server offers, streamed remote read or only query_range, and whose the pods were that are gone.
package server

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
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
	log     logr.Logger
	now     func() time.Time
	// interval is between two values of a series, in nanoseconds; 0: not known.
	interval atomic.Int64
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
		metrics: newMetrics(r), log: log, now: time.Now,
	}, nil
}

// scrapeInterval is the usual time between two values of a series; 0: not known.
func (s *Server) scrapeInterval() time.Duration { return time.Duration(s.interval.Load()) }
