package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/recommender/history"
)

// secret is one that is changed by everything that texts go through: it has digits like a time's, and what URLs and JSON
// escape.
const secret = `s3cret-1773057600000-a&b/"tail`

// leaks fails if text shows secret, or enough of it to be of use, in whichever form.
func leaks(t *testing.T, where, text string) {
	t.Helper()
	for _, part := range []string{"s3cret", "1773057600000", "tail", "czNjcmV0"} {
		require.NotContains(t, text, part, where)
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", r)
	}) {
		if plain, err := base64.StdEncoding.DecodeString(word); err == nil {
			require.NotContains(t, string(plain), "s3cret", "%s: %s", where, word)
		}
	}
}

// telltale repeats all that it was sent in the words of an error, as a debugging proxy does.
func telltale(status int, write func(w http.ResponseWriter, said string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := fmt.Sprintf("no: %s %s", r.URL, body[:min(len(body), 16)])
		for name, values := range r.Header {
			said += fmt.Sprintf(" %s: %s, or %q", name, values, values)
		}
		if user, password, ok := r.BasicAuth(); ok {
			said += " " + user + ":" + password
		}
		if write == nil {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, said)
			return
		}
		write(w, said)
	})
}

// asJSON answers with a text as an error of Prometheus' API.
func asJSON(status int, answer func(said string) any) http.Handler {
	return telltale(status, func(w http.ResponseWriter, said string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer(said))
	})
}

// ways are all by which a server is convinced with a secret. Each gets the server's address and a token server's.
func ways(t *testing.T) map[string]func(address, issuer string) func(*Options) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, secret+"\n")
	quoted, err := json.Marshal(secret)
	require.NoError(t, err)
	inFile := func(text string) func(string, string) func(*Options) {
		return func(address, issuer string) func(*Options) {
			proxy := "http://" + url.UserPassword("user", secret).String() + "@" + strings.TrimPrefix(address, "http://")
			return configured(t, strings.NewReplacer("SECRET", string(quoted), "FILE", file, "ISSUER", issuer, "PROXY", proxy).Replace(text))
		}
	}
	flag := func(set func(*Options)) func(string, string) func(*Options) {
		return func(string, string) func(*Options) { return set }
	}
	in := func(change func(*url.URL)) func(string, string) func(*Options) {
		return func(address, _ string) func(*Options) {
			u, err := url.Parse(address)
			require.NoError(t, err)
			change(u)
			return func(o *Options) { o.Address = u.String() }
		}
	}
	return map[string]func(string, string) func(*Options){
		"bearer token":           flag(func(o *Options) { o.Auth.BearerToken = secret }),
		"bearer token file":      flag(func(o *Options) { o.Auth.BearerTokenFile = file }),
		"password":               flag(func(o *Options) { o.Auth.Username, o.Auth.Password = "user", secret }),
		"password of the URL":    in(func(u *url.URL) { u.User = url.UserPassword("user", secret) }),
		"token of the URL":       in(func(u *url.URL) { u.RawQuery = url.Values{"token": {secret}}.Encode() }),
		"basic_auth":             inFile("basic_auth: {username: user, password: SECRET}"),
		"basic_auth, file":       inFile("basic_auth: {username: user, password_file: FILE}"),
		"authorization":          inFile("authorization: {type: ApiKey, credentials: SECRET}"),
		"authorization, file":    inFile("authorization: {credentials_file: FILE}"),
		"headers":                inFile("http_headers: {X-Api-Key: {secrets: [SECRET]}, X-Scope-OrgID: {values: [team-a]}}"),
		"headers, file":          inFile("http_headers: {X-Api-Key: {files: [FILE]}}"),
		"proxy":                  inFile("proxy_url: PROXY"),
		"OAuth2":                 inFile("oauth2: {client_id: vpa, client_secret: SECRET, token_url: ISSUER}"),
		"OAuth2, file":           inFile("oauth2: {client_id: vpa, client_secret_file: FILE, token_url: ISSUER}"),
		"OAuth2, by an endpoint": inFile("oauth2: {client_id: vpa, client_secret: SECRET, token_url: 'ISSUER/denied'}"),
	}
}

// TestNoSecretIsInWhatIsSaidOfAServer goes through every way to give a secret and every way in which a server can fail, with
// a server that repeats all that it is sent.
func TestNoSecretIsInWhatIsSaidOfAServer(t *testing.T) {
	failures := map[string]http.Handler{
		"401":             telltale(http.StatusUnauthorized, nil),
		"429":             telltale(http.StatusTooManyRequests, nil),
		"500":             telltale(http.StatusInternalServerError, nil),
		"JSON":            asJSON(http.StatusUnprocessableEntity, func(said string) any { return map[string]string{"error": said} }),
		"an error as 200": asJSON(http.StatusOK, func(said string) any { return map[string]string{"status": "error", "error": said} }),
		"another result": asJSON(http.StatusOK, func(said string) any {
			return map[string]any{"status": "success", "data": map[string]string{"resultType": said}}
		}),
		"cut off": telltale(0, func(w http.ResponseWriter, said string) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, strings.Repeat("x", 200)+said)
		}),
		"a redirect": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		}),
		"a redirect to nowhere": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/?was="+url.QueryEscape(r.Header.Get("Authorization")+r.Header.Get("X-Api-Key")+r.URL.Query().Get("token")))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}),
		"a redirect that is none": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://%zz/"+r.Header.Get("Authorization")+r.Header.Get("X-Api-Key")+r.URL.Query().Get("token"))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}),
		"no answer": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
		}),
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/denied" {
			telltale(http.StatusForbidden, nil).ServeHTTP(w, r)
			return
		}
		answerJSON(w, http.StatusOK, map[string]any{"access_token": "s3cret-issued-token", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer issuer.Close()
	for failing, handler := range failures {
		for way, options := range ways(t) {
			t.Run(way+", "+failing, func(t *testing.T) {
				server := httptest.NewUnstartedServer(handler)
				server.Config.ErrorLog = log.New(io.Discard, "", 0)
				server.Start()
				defer server.Close()
				said, s := speaking(t, server.URL, options(server.URL, issuer.URL))
				failed := 0
				for what, err := range s.everything() {
					if err != nil {
						failed++
						leaks(t, what, err.Error())
					}
				}
				require.GreaterOrEqual(t, failed, 3)
				leaks(t, "the log", said())
			})
		}
	}
}

// speaking is a server with a log, of which all is written.
func speaking(t *testing.T, address string, change func(*Options)) (said func() string, s *Server) {
	var l logs
	s = askingAt(t, address, change)
	s.log = l.logger()
	s.seen.Store(&view{namespaces: "namespace"})
	return func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return strings.Join(l.lines, "\n")
	}, s
}

// everything asks all that a server is asked, and returns the errors.
func (s *Server) everything() map[string]error {
	ctx := context.Background()
	out := map[string]error{}
	for how, v := range map[string]view{"query_range": {}, "remote read": {streams: true, hidden: true}} {
		s.seen.Store(&v)
		_, out[how] = s.Read(ctx, lastHour(), func(history.Usage) {})
	}
	s.seen.Store(&view{namespaces: "namespace"})
	_, out["owners"] = s.Owners(ctx, []string{"store"}, lastHour().Interval)
	_, out["containers"] = s.Containers(ctx)
	out["preflight"] = s.Prepare(ctx)
	return out
}

// TestNoSecretIsInMetricsOrTheLogOfASuccess also looks at what is found out about a server that answers.
func TestNoSecretIsInMetricsOrTheLogOfASuccess(t *testing.T) {
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, map[string]any{"access_token": "s3cret-issued-token", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer issuer.Close()
	for way, options := range ways(t) {
		if strings.Contains(way, "endpoint") {
			continue
		}
		t.Run(way, func(t *testing.T) {
			server := httptest.NewServer(&standIn{series: append(day(), chain("")...)})
			defer server.Close()
			o := DefaultOptions()
			o.Address, o.Environment, o.QPS = server.URL, "", 10_000
			options(server.URL, issuer.URL)(&o)
			require.NoError(t, o.Validate())
			client, err := o.Client()
			require.NoError(t, err)
			defer client.CloseIdleConnections()
			registry := prometheus.NewRegistry()
			Instrument(client, registry)
			var l logs
			s, err := New(client, o, l.logger(), registry)
			require.NoError(t, err)
			s.now = func() time.Time { return noon }
			require.NoError(t, s.Prepare(context.Background()))
			readAll(t, s)
			require.NotEmpty(t, l.lines)
			leaks(t, "the log", strings.Join(l.lines, "\n"))
			families, err := registry.Gather()
			require.NoError(t, err)
			require.NotEmpty(t, families)
			leaks(t, "metrics", fmt.Sprint(families))
		})
	}
}

func TestWhatASecretIsTakenOutOfStaysWhatItWas(t *testing.T) {
	s := asking(t, telltale(http.StatusUnauthorized, nil), func(o *Options) { o.Auth.BearerToken = secret })
	err := s.Prepare(context.Background())
	require.ErrorIs(t, err, history.ErrDenied)
	require.ErrorContains(t, err, "answered 401 Unauthorized: no: /api/v1/query")
	require.ErrorContains(t, err, "Bearer (not shown)")
}

// TestWhatIsNoSecretIsShown: who debugs a tenant wants to read which.
func TestWhatIsNoSecretIsShown(t *testing.T) {
	s := asking(t, refusing(http.StatusUnprocessableEntity, "user team-a of dev: too long a range"),
		configured(t, "basic_auth: {username: user, password: dev}\nhttp_headers: {X-Scope-OrgID: {values: [team-a]}}"))
	require.ErrorContains(t, s.Prepare(context.Background()), "user team-a of dev: too long a range")
}
