package logging

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// page is what is written; requests are logged by goroutines of their own.
type page struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (p *page) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(text)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// TestWhatIsReadAndWrittenIsInNoLog is about client-go, which logs requests and answers whole at a high verbosity: Secrets,
// and the environment of every pod.
func TestWhatIsReadAndWrittenIsInNoLog(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "ca"}, "data": {"ca.key": "czNjcmV0"}}`))
	}))
	defer server.Close()
	var out page
	log := New(&out, Options{Verbosity: maxVerbosity, Format: FormatJSON})
	Install(log)
	defer klog.ClearLogger()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, BearerToken: "t0ken"})
	require.NoError(t, err)
	// Also where who calls has a logger of his own in the context, as controller-runtime has.
	for _, ctx := range []context.Context{t.Context(), logr.NewContext(t.Context(), log)} {
		got, err := client.CoreV1().Secrets("default").Update(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "ca"}, StringData: map[string]string{"ca.key": "s3cret"},
		}, metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Equal(t, "s3cret", string(got.Data["ca.key"]))
	}
	log.V(mostShown).Info("closer")
	require.Contains(t, out.String(), "closer")
	for _, text := range []string{"s3cret", "czNjcmV0", "t0ken", "Body"} {
		require.NotContains(t, out.String(), text)
	}
}
