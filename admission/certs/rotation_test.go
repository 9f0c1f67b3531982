package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// TestARotationUnderLoadFailsNoCall rotates the authority of two replicas while API servers call them, each with a
// new connection, and with what was published one look ago.
func TestARotationUnderLoadFailsNoCall(t *testing.T) {
	c := cluster(t, interceptor.Funcs{}, installed()...)
	keepers := []*Keeper{keeper(t, c), keeper(t, c)}
	var now atomic.Pointer[time.Time]
	var trusted atomic.Pointer[x509.CertPool]
	look := func(at time.Time) {
		now.Store(&at)
		_, before := bundles(t, c)
		for _, k := range keepers {
			require.NoError(t, k.look(t.Context(), at))
		}
		if before == nil {
			_, before = bundles(t, c)
		}
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(before))
		trusted.Store(pool)
	}
	look(epoch)
	var addresses []string
	for _, k := range keepers {
		addresses = append(addresses, serveTLS(t, k.Certificate))
	}

	var done atomic.Bool
	var calls atomic.Int64
	var group errgroup.Group
	for i := range 4 {
		group.Go(func() error {
			for !done.Load() {
				if err := call(addresses[i%2], trusted.Load(), func() time.Time { return *now.Load() }); err != nil {
					return fmt.Errorf("after %d calls: %w", calls.Load(), err)
				}
				calls.Add(1)
			}
			return nil
		})
	}
	first := keepers[0].authority
	var secret corev1.Secret
	require.NoError(t, c.Get(t.Context(), options.Secret, &secret))
	secret.Annotations = map[string]string{RotateAnnotation: ""}
	require.NoError(t, c.Update(t.Context(), &secret))
	for _, at := range []time.Duration{
		resync, 2 * resync, 3 * resync, 4 * resync, 5 * resync, leafLife / 4, leafLife / 2, leafLife * 3 / 4, leafLife, overlap + grace + time.Hour,
		overlap + grace + 2*time.Hour,
	} {
		look(epoch.Add(at))
		before := calls.Load()
		require.Eventually(t, func() bool { return calls.Load() > before+8 || done.Load() }, time.Minute, time.Millisecond)
	}
	done.Store(true)
	require.NoError(t, group.Wait())
	require.False(t, keepers[0].authority.same(first))
	require.True(t, keepers[0].authority.same(keepers[1].authority))
	_, ours := bundles(t, c)
	require.Equal(t, keepers[0].authority.certificates.pem(), ours)
	t.Logf("%d calls, none failed", calls.Load())
}

// serveTLS serves until the test ends; it returns the address.
func serveTLS(t *testing.T, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// call posts over a connection of its own, as a client that trusts roots and whose clock is now.
func call(address string, roots *x509.CertPool, now func() time.Time) error {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: serverName, Time: now,
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return joinClose(err, response.Body)
}

func joinClose(err error, c io.Closer) error {
	if closed := c.Close(); err == nil {
		return closed
	}
	return err
}
