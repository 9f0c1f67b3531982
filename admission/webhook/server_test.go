package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// serving is a Server on loopback with a client that trusts it.
type serving struct {
	url    string
	client *http.Client
	listen net.Listener
	stop   context.CancelFunc
	ended  chan error
}

// trust is a certificate, and who trusts it.
type trust struct {
	client      *http.Client
	tls         *tls.Config
	certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

var quiet = logr.Discard()

// listen opens a port on loopback, and borrows httptest's certificate for it.
func listen(t *testing.T) (net.Listener, trust) {
	borrowed := httptest.NewTLSServer(nil)
	t.Cleanup(borrowed.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return listener, trust{
		client: borrowed.Client(), tls: borrowed.Client().Transport.(*http.Transport).TLSClientConfig,
		certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &borrowed.TLS.Certificates[0], nil },
	}
}

func serve(t *testing.T, handler http.Handler, delay, grace time.Duration) *serving {
	return serveWithin(t, handler, DefaultTimeouts(), delay, grace)
}

func serveWithin(t *testing.T, handler http.Handler, timeouts Timeouts, delay, grace time.Duration) *serving {
	return serveAs(t, &Server{Handler: handler, Timeouts: timeouts, Delay: delay, Grace: grace})
}

// serveAs serves as server says, with httptest's certificate.
func serveAs(t *testing.T, server *Server) *serving {
	listener, borrowed := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	s := &serving{url: "https://" + listener.Addr().String(), client: borrowed.client, listen: listener, stop: stop, ended: make(chan error, 1)}
	server.Certificate, server.Log = borrowed.certificate, quiet
	go func() { s.ended <- server.Serve(ctx, listener) }()
	return s
}

func TestAfterTheStopRequestsAreServedForTheDelayAndThoseInFlightEnd(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-finish
		}
		_, _ = io.WriteString(w, r.Proto)
	}), 200*time.Millisecond, time.Minute)

	slow := make(chan error, 1)
	go func() {
		response, err := s.client.Get(s.url + "/slow")
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
		}
		slow <- err
	}()
	<-arrived
	s.stop()
	response, err := s.client.Get(s.url + "/late")
	require.NoError(t, err, "within the delay")
	require.True(t, response.Close, "the next connection goes elsewhere")
	proto, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1", string(proto))

	require.Eventually(t, func() bool {
		probe, err := net.Dial("tcp", s.url[len("https://"):])
		if err != nil {
			return true
		}
		return probe.Close() != nil
	}, 10*time.Second, 10*time.Millisecond, "after the delay nothing new is accepted")
	close(finish)
	require.NoError(t, <-slow)
	require.NoError(t, <-s.ended)
}

func TestNoRequestIsLostWhenTheStopComes(t *testing.T) {
	const clients, requests = 8, 20
	var served atomic.Int32
	s := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }), time.Minute, time.Minute)
	s.client.Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	var group errgroup.Group
	for range clients {
		group.Go(func() error {
			for range requests {
				// A POST is not repeated by the client when its connection breaks, as a GET would be.
				response, err := s.client.Post(s.url, "application/json", strings.NewReader("{}"))
				if err != nil {
					return err
				}
				if err := response.Body.Close(); err != nil {
					return err
				}
				if served.Load() >= clients*requests/4 {
					s.stop()
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.EqualValues(t, clients*requests, served.Load())
	require.NoError(t, s.listen.Close()) // rather than wait for the delay
	require.ErrorIs(t, <-s.ended, net.ErrClosed)
}

func TestARequestThatNeverEndsIsGivenUpAfterTheGrace(t *testing.T) {
	arrived := make(chan struct{})
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}), 0, 10*time.Millisecond)
	go func() { _, _ = s.client.Get(s.url) }()
	<-arrived
	s.stop()
	require.ErrorIs(t, <-s.ended, context.DeadlineExceeded)
}

func TestAServerThatCannotServeSaysSo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	none := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }
	err = (&Server{Certificate: none, Log: quiet}).Serve(t.Context(), listener)
	require.ErrorIs(t, err, net.ErrClosed)
}
