package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// write replaces a file as the kubelet does: by another of the same name.
func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

// configured sets a file with Prometheus' HTTP client configuration.
func configured(t *testing.T, text string) func(*Options) {
	file := filepath.Join(t.TempDir(), "http.yml")
	write(t, file, text)
	return func(o *Options) { o.HTTPConfigFile = file }
}

func TestATokenThatIsRenewedIsSentFromThenOn(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	for name, change := range map[string]func(*Options){
		"the flag":        func(o *Options) { o.Auth.BearerTokenFile = token },
		"the HTTP config": configured(t, "authorization: {credentials_file: "+token+"}\n"),
	} {
		t.Run(name, func(t *testing.T) {
			write(t, token, "first\n")
			p := &standIn{}
			s := asking(t, p, change)
			for i, want := range []string{"first", "second", "third"} {
				write(t, token, want)
				_, err := s.query(context.Background(), "up", noon)
				require.NoError(t, err)
				require.Equal(t, "Bearer "+want, p.requests("")[i].header.Get("Authorization"))
			}
			require.NoError(t, os.Remove(token))
			_, err := s.query(context.Background(), "up", noon)
			require.ErrorContains(t, err, token)
		})
	}
}

func TestHeadersOfTheHTTPConfigAreSentWithEveryRequest(t *testing.T) {
	p := &standIn{series: append(day(), chain("")...)}
	s := prepared(t, p, configured(t, "basic_auth: {username: u, password: p}\nhttp_headers: {X-Scope-OrgID: {values: [team-a]}}\n"))
	readAll(t, s)
	s.seen.Store(&view{namespaces: "namespace"})
	readAll(t, s)
	_, err := s.Owners(context.Background(), []string{"store"}, lastHour().Interval)
	require.NoError(t, err)
	paths := map[string]bool{}
	for _, a := range p.requests("") {
		paths[a.path] = true
		require.Equal(t, "team-a", a.header.Get("X-Scope-OrgID"), a.path)
		require.Equal(t, "Basic dTpw", a.header.Get("Authorization"), a.path)
		require.Equal(t, "sartor-recommender", a.header.Get("User-Agent"), a.path)
	}
	require.Len(t, paths, 4)
}

func TestOAuth2AndTheProxyOfTheHTTPConfigAreUsed(t *testing.T) {
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, secret, _ := r.BasicAuth()
		if user != "vpa" || secret != "s3cret" {
			refuse(w, http.StatusUnauthorized, "invalid_client", "")
			return
		}
		answerJSON(w, http.StatusOK, map[string]any{"access_token": "issued", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer issuer.Close()
	p := &standIn{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "prometheus.invalid" {
			http.Error(w, "another proxy's: "+r.URL.String(), http.StatusBadGateway)
			return
		}
		p.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	config := func(secret string) func(*Options) {
		return configured(t, "proxy_url: "+proxy.URL+"\noauth2: {client_id: vpa, client_secret: "+secret+", token_url: "+issuer.URL+"}\n")
	}
	_, err := askingAt(t, "http://prometheus.invalid", config("s3cret")).query(context.Background(), "up", noon)
	require.NoError(t, err)
	require.Equal(t, "Bearer issued", p.requests("")[0].header.Get("Authorization"))
	_, err = askingAt(t, "http://prometheus.invalid", config("wr0ng")).query(context.Background(), "up", noon)
	require.ErrorContains(t, err, "oauth2")
	require.NotContains(t, err.Error(), "wr0ng")
}

// authority is a certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{certificate, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// issue returns a certificate with its key, for 127.0.0.1 or for a client.
func (a authority) issue(t *testing.T, name string) (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, private.Public(), a.key)
	require.NoError(t, err)
	bytes, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes}))
}

func TestCertificatesThatAreRenewedAreUsedFromThenOn(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	old, next := newAuthority(t), newAuthority(t)
	current := old
	trusted := func() *x509.CertPool {
		pool := x509.NewCertPool()
		pool.AddCert(current.certificate)
		return pool
	}
	p := &standIn{}
	var clients []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clients = append(clients, r.TLS.PeerCertificates[0].Subject.CommonName)
		p.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		certificate, key := current.issue(t, "server")
		pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted()}, err
	}}
	server.StartTLS()
	defer server.Close()
	renew := func(a authority, name string) {
		certificate, key := a.issue(t, name)
		write(t, file("ca.pem"), a.pem)
		write(t, file("tls.crt"), certificate)
		write(t, file("tls.key"), key)
	}
	renew(old, "first")
	s := askingAt(t, server.URL, configured(t, "tls_config: {ca_file: "+file("ca.pem")+", cert_file: "+file("tls.crt")+", key_file: "+file("tls.key")+"}\n"))
	ask := func() error {
		_, err := s.query(context.Background(), "up", noon)
		return err
	}
	require.NoError(t, ask())
	renew(old, "second")
	require.NoError(t, ask())
	current = next
	s.client.CloseIdleConnections()
	require.ErrorContains(t, ask(), "certificate")
	renew(next, "third")
	require.NoError(t, ask())
	require.Equal(t, []string{"first", "second", "third"}, clients)
}
