package podmetrics

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// clientOf is a client as the program makes it, of a server that answers so.
func clientOf(t *testing.T, answer http.HandlerFunc) metricsclient.MetricsV1beta1Interface {
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	client, err := metricsclient.NewForConfig(&rest.Config{
		Host: server.URL, QPS: -1, BearerToken: "secret",
		ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"},
	})
	require.NoError(t, err)
	return client
}

func each(ctx context.Context, s *Source) ([]usage.Sample, Round, error) {
	var samples []usage.Sample
	round, err := s.Each(ctx, func(sample usage.Sample) { samples = append(samples, sample) })
	return samples, round, err
}

func TestTheRequestIsTheTypedClientsAndAsksForJSON(t *testing.T) {
	for name, tc := range map[string]struct {
		options []Option
		path    string
	}{
		"all namespaces": {nil, "/apis/metrics.k8s.io/v1beta1/pods"},
		"none named":     {[]Option{InNamespace("")}, "/apis/metrics.k8s.io/v1beta1/pods"},
		"one namespace":  {[]Option{InNamespace("store")}, "/apis/metrics.k8s.io/v1beta1/namespaces/store/pods"},
	} {
		t.Run(name, func(t *testing.T) {
			var got *http.Request
			source := New(clientOf(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				fmt.Fprint(w, items(using(`"cpu":"5m"`)))
			}), tc.options...)
			samples, round, err := each(t.Context(), source)
			require.NoError(t, err)
			require.Equal(t, []usage.Sample{cpu(5)}, samples)
			require.Equal(t, 1, round.Pods)
			require.Equal(t, tc.path, got.URL.Path)
			require.Equal(t, "application/json", got.Header.Get("Accept"))
			require.Equal(t, "Bearer secret", got.Header.Get("Authorization"))
		})
	}
}

func TestACompressedAnswerIsRead(t *testing.T) {
	var accepts string
	source := New(clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		accepts = r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		defer zip.Close()
		fmt.Fprint(zip, items(using(`"cpu":"5m"`)))
	}))
	samples, _, err := each(t.Context(), source)
	require.NoError(t, err)
	require.Contains(t, accepts, "gzip")
	require.Equal(t, []usage.Sample{cpu(5)}, samples)
}

func TestAServersRefusalIsToldInOneLine(t *testing.T) {
	const unavailable = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the server is\n currently unable","reason":"ServiceUnavailable","code":503}`
	const forbidden = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods.metrics.k8s.io is forbidden: User \"sartor\" cannot list","reason":"Forbidden","code":403}`
	for name, tc := range map[string]struct {
		code          int
		content, body string
		want          string
		is            func(error) bool
	}{
		"no metrics-server": {404, "text/plain", "404 page not found", "the server could not find the requested resource", apierrors.IsNotFound},
		"not ready":         {503, "application/json", unavailable, "the server is currently unable", apierrors.IsServiceUnavailable},
		"forbidden":         {403, "application/json", forbidden, `User "sartor" cannot list`, apierrors.IsForbidden},
		"a page of HTML":    {502, "text/html", "<html>\n\n<body>" + strings.Repeat("long\n", 1000) + "</html>", "an error on the server", apierrors.IsInternalError},
		"no kind of error":  {418, "application/json", `{}`, "", func(error) bool { return true }},
		"HTML with a 200":   {200, "text/html", "<html>\n\n<body></html>", "invalid character '<'", func(error) bool { return true }},
		"a Status and 200":  {200, "application/json", unavailable, "the server sent a Status", func(error) bool { return true }},
	} {
		t.Run(name, func(t *testing.T) {
			source := New(clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.content)
				w.WriteHeader(tc.code)
				fmt.Fprint(w, tc.body)
			}))
			samples, _, err := each(t.Context(), source)
			require.ErrorContains(t, err, "pods of metrics.k8s.io")
			require.ErrorContains(t, err, tc.want)
			require.True(t, tc.is(err), "%v", err)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 2*maxLine)
			require.Empty(t, samples)
		})
	}
}

func TestWhatCameBeforeTheConnectionBrokeCounts(t *testing.T) {
	body := items(using(`"cpu":"5m"`), using(`"cpu":"6m"`))
	source := New(clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		fmt.Fprint(w, body[:len(body)-20])
	}))
	samples, round, err := each(t.Context(), source)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "reading pods of metrics.k8s.io, after 2: ")
	require.Equal(t, []usage.Sample{cpu(5)}, samples)
	require.Equal(t, noon, round.Newest)
}

func TestAServerThatStallsIsLeftWhenTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	source := New(clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.TrimSuffix(items(using(`"cpu":"5m"`)), "]}"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	var samples []usage.Sample
	_, err := source.Each(ctx, func(s usage.Sample) {
		samples = append(samples, s)
		cancel()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []usage.Sample{cpu(5)}, samples)
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	remotes := map[string]bool{}
	source := New(clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true
		fmt.Fprint(w, items(strings.Repeat(using(`"cpu":"5m"`)+",", 1000)+using(`"cpu":"5m"`)))
	}))
	for range 3 {
		_, round, err := each(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, 1001, round.Pods)
	}
	require.Len(t, remotes, 1)
}
