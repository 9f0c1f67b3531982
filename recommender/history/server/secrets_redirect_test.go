package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoSecretGoesToAnotherHost is about redirects, which a server can send anybody to.
func TestNoSecretGoesToAnotherHost(t *testing.T) {
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, map[string]any{"access_token": "s3cret-issued-token", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer issuer.Close()
	for way, options := range ways(t) {
		if way == "proxy" || strings.Contains(way, "endpoint") {
			continue // which see nothing of a redirect
		}
		t.Run(way, func(t *testing.T) {
			var mu sync.Mutex
			var came []string
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				came = append(came, fmt.Sprint(r.URL, r.Header))
				mu.Unlock()
				http.Error(w, "not here", http.StatusTeapot)
			}))
			defer other.Close()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+r.URL.Path)
				w.WriteHeader(http.StatusTemporaryRedirect)
			}))
			defer server.Close()
			s := askingAt(t, server.URL, options(server.URL, issuer.URL))
			_, err := s.query(context.Background(), "up", noon)
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(way, "headers") {
				require.ErrorContains(t, err, "it redirects to localhost:")
				require.Empty(t, came)
				return
			}
			require.ErrorContains(t, err, "418")
			require.Len(t, came, 1)
			leaks(t, "another host", came[0])
		})
	}
}

// TestOnTheSameHostRedirectsAreFollowed is about a proxy that adds a path, or a port.
func TestOnTheSameHostRedirectsAreFollowed(t *testing.T) {
	p := &standIn{}
	behind := httptest.NewServer(p)
	defer behind.Close()
	s := asking(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, behind.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}), configured(t, "http_headers: {X-Api-Key: {secrets: [key]}}"))
	_, err := s.query(context.Background(), "up", noon)
	require.NoError(t, err)
	require.Equal(t, "key", p.requests("")[0].header.Get("X-Api-Key"))
}
