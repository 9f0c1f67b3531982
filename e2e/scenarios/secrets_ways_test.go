package scenarios

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// way is one to convince a server with a secret, and one in which it fails first.
type way struct {
	name string
	// give has a recommender ask at an address, with the secret.
	give func(t *testing.T, v *visitor, address string)
	// fail answers with all that was sent, which is said, and says is what a condition then says.
	fail func(w http.ResponseWriter, r *http.Request, said string)
	says string
}

// gate stands before a Prometheus. Until it is open it fails, and whoever has no secret is never let in.
type gate struct {
	t               *testing.T
	fail            func(w http.ResponseWriter, r *http.Request, said string)
	open, convinced atomic.Bool
}

func (g *gate) layer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := "you sent " + r.URL.String()
		for _, name := range []string{"Authorization", "X-Api-Key", "X-Scope-OrgID"} {
			said += fmt.Sprintf(" %s %q", name, r.Header.Values(name))
		}
		user, password, _ := r.BasicAuth()
		said += fmt.Sprintf(" %s:%s", user, password)
		if !g.open.Load() {
			g.fail(w, r, said)
			return
		}
		if !strings.Contains(said, marked) {
			http.Error(w, "no secret", http.StatusUnauthorized)
			return
		}
		g.convinced.Store(true)
		next.ServeHTTP(w, r)
	})
}

// answering fails with a status.
func answering(status int) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, said string) { http.Error(w, said, status) }
}

// config writes a file with Prometheus' HTTP client configuration and has it read. A table is YAML, too.
func config(t *testing.T, v *visitor, settings any) {
	t.Helper()
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "http.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	v.args = append(v.args, "--prometheus-http-config="+file)
}

type table = map[string]any

// waysIn are all ways, which use this key of a client's.
func waysIn(t *testing.T, certificate, key string) []way {
	secret := func(name string) string { return marked + "-1773057600000-&-" + name }
	at := func(more func(t *testing.T, v *visitor)) func(*testing.T, *visitor, string) {
		return func(t *testing.T, v *visitor, address string) {
			v.address = address
			more(t, v)
		}
	}
	issuer := issuer(t)
	return []way{
		{"a-token", at(func(_ *testing.T, v *visitor) {
			v.args = append(v.args, "--prometheus-bearer-token="+secret("token"))
		}), answering(http.StatusUnauthorized), `Bearer (not shown)`},
		{"a-token-file", at(func(t *testing.T, v *visitor) {
			file := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.WriteFile(file, []byte(secret("file")), 0o600))
			v.args = append(v.args, "--prometheus-bearer-token-file="+file)
		}), answering(http.StatusInternalServerError), `Bearer (not shown)`},
		{"a-password", at(func(_ *testing.T, v *visitor) {
			v.args = append(v.args, "--username=u", "--password="+secret("password"))
		}), answering(http.StatusTooManyRequests), `Basic (not shown)`},
		{"a-url", func(t *testing.T, v *visitor, address string) {
			u, err := url.Parse(address)
			require.NoError(t, err)
			u.User, u.RawQuery = url.UserPassword("u", secret("user")), url.Values{"token": {secret("query")}}.Encode()
			v.address = u.String()
		}, func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		}, "stopped after 10 redirects"},
		{"a-config", at(func(t *testing.T, v *visitor) {
			config(t, v, table{
				"basic_auth": table{"username": "u", "password": secret("config")},
				"http_headers": table{
					"X-Api-Key": table{"secrets": []string{secret("header")}}, "X-Scope-OrgID": table{"values": []string{"team-a"}},
				},
				"tls_config": table{"cert": certificate, "key": key},
			})
		}), func(w http.ResponseWriter, _ *http.Request, said string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_ = json.NewEncoder(w).Encode(table{"status": "error", "errorType": "execution", "error": said})
		}, `X-Scope-OrgID ["team-a"]`},
		{"an-issuer", at(func(t *testing.T, v *visitor) {
			config(t, v, table{"oauth2": table{"client_id": "vpa", "client_secret": secret("client"), "token_url": issuer + "?is=" + url.QueryEscape(secret("issuer"))}})
		}), answering(http.StatusForbidden), `Bearer (not shown)`},
	}
}

// issuer gives tokens, once it has refused one.
func issuer(t *testing.T) string {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			body, _ := io.ReadAll(r.Body)
			http.Error(w, fmt.Sprint(r.URL, r.Header, string(body)), http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(table{"access_token": marked + "-issued", "token_type": "Bearer", "expires_in": 3600})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// pair is a client's certificate with its key.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	raw, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
}
