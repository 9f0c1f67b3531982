package scenarios

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sartor-vpa/sartor/e2e/measure"
)

// endpoints are replicas behind one address, as a Service's: called are those that were ready a moment ago.
type endpoints struct {
	mu    sync.Mutex
	all   map[string]*hook // by name
	ready []*hook
	next  int
	// alone, if there is one, is called whether it is ready or not.
	alone *hook
}

// endpointsLag is how old what is known of readiness may be. On a cluster it is the probe's period, and the way to every node.
const endpointsLag = time.Second

// watchEndpoints looks who is ready until the test ends.
func watchEndpoints(t *testing.T, replicas ...*hook) *endpoints {
	e := &endpoints{all: map[string]*hook{}}
	for _, k := range replicas {
		e.all[k.Name()] = k
	}
	e.look(t.Context())
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(endpointsLag)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				e.look(context.WithoutCancel(t.Context()))
			}
		}
	})
	t.Cleanup(func() { close(done); running.Wait() })
	return e
}

// set replaces the replica of the same name.
func (e *endpoints) set(k *hook) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all[k.Name()] = k
}

// callOnly lets k alone be called, nil: whoever is ready.
func (e *endpoints) callOnly(k *hook) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alone = k
}

func (e *endpoints) look(ctx context.Context) {
	e.mu.Lock()
	all := maps.Clone(e.all)
	e.mu.Unlock()
	var ready []*hook
	for _, k := range all {
		if answers(ctx, k.URL+"/readyz") == nil {
			ready = append(ready, k)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ready = ready
}

// pick chooses one of those that were ready, each in its turn.
func (e *endpoints) pick() (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.alone != nil {
		return e.alone.address, nil
	}
	if len(e.ready) == 0 {
		return "", errors.New("no replica is ready")
	}
	e.next++
	return e.ready[e.next%len(e.ready)].address, nil
}

// load creates pods, dry, as fast as the API server takes them.
type load struct {
	made   atomic.Int64
	stop   context.CancelFunc
	failed chan error
}

// creators are how many pods are under way at once.
const creators = 6

func (h *hooks) load(t *testing.T, pod *corev1.Pod) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop, failed: make(chan error, creators)}
	client := kubeClient(t, h.cluster)
	for range creators {
		go func() {
			for ctx.Err() == nil {
				made, err := createDry(context.WithoutCancel(ctx), client, pod)
				if err == nil {
					err = patched(made)
				}
				if err != nil {
					l.failed <- fmt.Errorf("after %d pods: %w", l.made.Load(), err)
					return
				}
				l.made.Add(1)
			}
			l.failed <- nil
		}()
	}
	return l
}

// more waits for n more pods.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	until := l.made.Load() + n
	eventually(t, "pods are created", func(context.Context) error {
		if made := l.made.Load(); made < until && len(l.failed) == 0 {
			return fmt.Errorf("%d of %d", made, until)
		}
		return nil
	})
}

// end returns how many pods there were, all of them patched.
func (l *load) end(t *testing.T) int64 {
	t.Helper()
	l.stop()
	for range creators {
		require.NoError(t, <-l.failed)
	}
	return l.made.Load()
}

// createDry is what would become of a pod.
func createDry(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) (*corev1.Pod, error) {
	return client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// patched is nil if the webhook gave the pod resources.
func patched(pod *corev1.Pod) error {
	if pod.Annotations["vpaUpdates"] == "" {
		return fmt.Errorf("pod %s is unpatched: %v", pod.Name, pod.Annotations)
	}
	return nil
}

// calls are what the API server counts of its calls of the webhook for pods.
type calls struct{ made, failedOpen, rejected float64 }

func (h *hooks) calls(t *testing.T) calls {
	t.Helper()
	text, err := kubeClient(t, h.cluster).CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	require.NoError(t, err)
	metrics, err := measure.Parse(bytes.NewReader(text))
	require.NoError(t, err)
	of := measure.Labels{"name": "vpa.k8s.io"}
	return calls{
		made:       metrics.Value("apiserver_admission_webhook_request_total", of),
		failedOpen: metrics.Value("apiserver_admission_webhook_fail_open_count", of),
		rejected:   metrics.Value("apiserver_admission_webhook_rejection_count", of),
	}
}
