package webhook

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// short are timeouts that a test can wait for, and that nobody exceeds who is not slow on purpose, also on a busy machine.
var short = Timeouts{Header: 3 * time.Second, Read: 4 * time.Second, Write: time.Minute, Idle: 3 * time.Second}

func (s *serving) tlsConfig() *tls.Config {
	return s.client.Transport.(*http.Transport).TLSClientConfig
}

// dial opens a connection, with its handshake done unless plain.
func (s *serving) dial(t *testing.T, plain bool) net.Conn {
	t.Helper()
	address := strings.TrimPrefix(s.url, "https://")
	var conn net.Conn
	var err error
	if plain {
		conn, err = net.Dial("tcp", address)
	} else {
		conn, err = tls.Dial("tcp", address, s.tlsConfig())
	}
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// closedByServer returns when the server has closed conn, however politely.
func closedByServer(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err := io.Copy(io.Discard, conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // net.Conn returns it as it is
		require.Fail(t, "the connection was kept")
	}
}

// post sends a review as an API server does, and returns how long the answer took.
func (s *serving) post(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	response, err := s.client.Post(s.url, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	return time.Since(start)
}

func readsAll(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func TestWhoIsSlowIsCutOffAndNobodyElseNotices(t *testing.T) {
	s := serveWithin(t, http.HandlerFunc(readsAll), short, 0, time.Minute)
	s.client.Transport.(*http.Transport).DisableKeepAlives = true // short.Idle would end them at any moment
	for name, begin := range map[string]func(net.Conn) error{
		"a connection without a handshake": nil,
		"half a handshake":                 func(c net.Conn) error { _, err := c.Write([]byte{22, 3, 1, 2, 0}); return err },
		"a handshake and nothing after it": func(net.Conn) error { return nil },
		"half a header":                    func(c net.Conn) error { _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nX-A"); return err },
		"a body that never ends": func(c net.Conn) error {
			_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
			return err
		},
		"a request, and then idle": func(c net.Conn) error {
			_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // their timeouts pass at once
			plain := begin == nil || name == "half a handshake"
			conn := s.dial(t, plain)
			if begin != nil {
				require.NoError(t, begin(conn))
			}
			s.post(t)
			closedByServer(t, conn)
		})
	}
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	s := serve(t, http.HandlerFunc(readsAll), 0, time.Minute)
	request, err := http.NewRequest(http.MethodPost, s.url, strings.NewReader("{}"))
	require.NoError(t, err)
	request.Header.Set("X-Large", strings.Repeat("x", 2*maxHeaderBytes))
	response, err := s.client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
}

// answered opens a connection and makes a request, after which it is idle.
func answered(address string, config *tls.Config) (net.Conn, error) {
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return nil, err
	}
	if _, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"); err == nil {
		_, err = http.ReadResponse(bufio.NewReader(conn), nil)
	}
	return conn, err
}

func TestAThousandIdleConnectionsDelayNobodyNorTheStop(t *testing.T) {
	const idle = 1000
	s := serve(t, http.HandlerFunc(readsAll), 0, time.Minute)
	s.client.Transport.(*http.Transport).DisableKeepAlives = true
	config := s.tlsConfig().Clone()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1) // cheaper handshakes
	conns := make([]net.Conn, idle)
	var opening errgroup.Group
	opening.SetLimit(16)
	for i := range conns {
		opening.Go(func() (err error) {
			conns[i], err = answered(strings.TrimPrefix(s.url, "https://"), config)
			return err
		})
	}
	t.Cleanup(func() {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
	})
	require.NoError(t, opening.Wait())
	require.Less(t, s.post(t), 5*time.Second)
	s.stop()
	for _, conn := range conns {
		closedByServer(t, conn)
	}
	require.NoError(t, <-s.ended)
}

func TestAPanicBeyondTheHandlersOwnCareIsAnsweredAndTheConnectionLives(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("at the disco")
		}
	}), 0, time.Minute)
	conn := s.dial(t, false)
	answers := bufio.NewReader(conn)
	for _, tc := range []struct {
		path   string
		status int
	}{{"/panic", http.StatusInternalServerError}, {"/", http.StatusOK}} {
		_, err := io.WriteString(conn, "POST "+tc.path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		require.NoError(t, err)
		response, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, tc.status, response.StatusCode)
		require.False(t, response.Close)
	}
}

func TestOnlyTheTLSThatWasAskedForIsSpoken(t *testing.T) {
	for name, tc := range map[string]struct {
		set    func(*Server)
		client *tls.Config
		ok     bool
	}{
		"1.2 by default":         {func(*Server) {}, &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		"1.1 never":              {func(s *Server) { s.MinVersion = tls.VersionTLS11 }, &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, false},
		"1.3 where it is wanted": {func(s *Server) { s.MinVersion = tls.VersionTLS13 }, &tls.Config{MaxVersion: tls.VersionTLS12}, false},
		"a cipher that is not wanted": {
			func(s *Server) { s.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384} },
			&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			listener, client := listen(t)
			server := &Server{Handler: http.HandlerFunc(readsAll), Certificate: client.certificate, Timeouts: DefaultTimeouts(), Log: quiet}
			tc.set(server)
			go func() { _ = server.Serve(t.Context(), listener) }()
			tc.client.RootCAs, tc.client.ServerName = client.tls.RootCAs, "example.com"
			conn, err := tls.Dial("tcp", listener.Addr().String(), tc.client)
			require.Equal(t, tc.ok, err == nil, "%v", err)
			if err == nil {
				require.NoError(t, conn.Close())
			}
		})
	}
}
