package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// Timeouts bound what one connection may take. A review is small and comes from the API server next door:
// who needs longer than this is not the API server, or is not well.
type Timeouts struct {
	// Header bounds the TLS handshake, and after it each request's header; Read a request with its body.
	Header, Read time.Duration
	// Write bounds the handler and the answer. It has to be above the longest that a decision may take.
	Write time.Duration
	// Idle is how long a connection without a request is kept.
	Idle time.Duration
}

// DefaultTimeouts leave each decision the 30 s that a webhook may ask for at most, and keep idle connections
// longer than the 90 s of Go's clients: who closes first can never lose a request that way.
func DefaultTimeouts() Timeouts {
	return Timeouts{Header: 5 * time.Second, Read: 10 * time.Second, Write: 45 * time.Second, Idle: 2 * time.Minute}
}

// maxHeaderBytes is more than any API server sends before a body.
const maxHeaderBytes = 64 << 10

// Server serves a handler over TLS until it is told to stop, and then goes in a way that nobody
// notices.
type Server struct {
	Handler http.Handler
	// Certificate is asked at every handshake, so that a renewed leaf is served at once.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// MinVersion is the lowest version of TLS that is spoken, such as tls.VersionTLS12; CipherSuites are those
	// of TLS 1.2 that are, nil for Go's own choice.
	MinVersion   uint16
	CipherSuites []uint16
	Timeouts     Timeouts
	// Delay is how long requests are still accepted after the stop: so long it takes for the last
	// API server to learn that this replica is no longer ready.
	Delay time.Duration
	// Grace is how long requests in flight may take after that.
	Grace time.Duration
	Log   logr.Logger

	// after is time.After where it is nil; tests end the delay when they have seen enough.
	after func(time.Duration) <-chan time.Time
}

// Serve accepts connections until ctx ends, goes on for Delay, finishes what is in flight and
// returns nil. It closes listener. An error means that it could not serve, or that requests were
// still in flight after Grace.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	var stopping atomic.Bool
	server, open := s.server(&stopping), newConnections()
	server.ConnState = open.note
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving reviews: %w", err)
	case <-ctx.Done():
	}

	s.Log.Info("stopping: requests are still answered", "for", s.Delay)
	stopping.Store(true)
	select {
	case err := <-failed:
		return fmt.Errorf("serving reviews while stopping: %w", err)
	case <-s.delay():
	}
	if err := listener.Close(); err != nil {
		return errors.Join(fmt.Errorf("stopping to accept connections: %w", err), server.Close())
	}
	// Then the last connection is counted.
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		return errors.Join(fmt.Errorf("stopping to accept connections: %w", err), server.Close())
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Grace)
	defer cancel()
	if err := open.end(grace); err != nil {
		return errors.Join(fmt.Errorf("requests in flight after %s: %w", s.Grace, err), server.Close())
	}
	return nil
}

func (s *Server) delay() <-chan time.Time {
	if s.after != nil {
		return s.after(s.Delay)
	}
	return time.After(s.Delay)
}

func (s *Server) server(stopping *atomic.Bool) *http.Server {
	// Each HTTP/2 connection lets one client hold hundreds of streams; API servers need none of that
	// for small requests, and fall back to a few HTTP/1.1 connections.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: s.outermost(goodbye(s.Handler, stopping)),
		TLSConfig: &tls.Config{
			MinVersion: max(s.MinVersion, tls.VersionTLS12), CipherSuites: s.CipherSuites, GetCertificate: s.Certificate,
		},
		Protocols:         protocols,
		ReadHeaderTimeout: s.Timeouts.Header,
		ReadTimeout:       s.Timeouts.Read,
		WriteTimeout:      s.Timeouts.Write,
		IdleTimeout:       s.Timeouts.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(lines{s.Log}, "", 0),
	}
}

// outermost answers 500 where a handler panics, which the API server ignores as failurePolicy says. Handlers answer
// better themselves; net/http would break the connection, and with it what else the API server sends on it.
func (s *Server) outermost(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if cause := recover(); cause != nil {
				s.Log.Error(fmt.Errorf("panic: %v", cause), "a request panicked", "path", r.URL.Path, "stack", string(debug.Stack()))
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		handler.ServeHTTP(w, r)
	})
}

// goodbye closes, once we are stopping, each connection with the answer that it carries: the client's
// next one goes elsewhere as soon as there is an elsewhere. SetKeepAlivesEnabled(false) would cut
// idle connections at once, and with them the requests that are just being written to them.
func goodbye(handler http.Handler, stopping *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

// lines writes net/http's own complaints (bad handshakes, mostly) to the log, out of the way: any
// port scan causes them.
type lines struct{ log logr.Logger }

func (l lines) Write(p []byte) (int, error) {
	l.log.V(1).Info("connection trouble", "problem", strings.TrimSpace(string(p)))
	return len(p), nil
}
