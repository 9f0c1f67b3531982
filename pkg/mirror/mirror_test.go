package mirror

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// secrets holds secrets' names.
type secrets struct {
	mu    sync.Mutex
	names []string
}

func (s *secrets) into() Into[*metav1.PartialObjectMetadata] {
	locked := func(change func()) { s.mu.Lock(); change(); s.mu.Unlock() }
	return Into[*metav1.PartialObjectMetadata]{
		Set: func(m *metav1.PartialObjectMetadata) { locked(func() { s.names = append(s.names, m.Name) }) },
		Drop: func(m *metav1.PartialObjectMetadata) {
			locked(func() { s.names = slices.DeleteFunc(s.names, func(name string) bool { return name == m.Name }) })
		},
		Replace: func(all []*metav1.PartialObjectMetadata) {
			locked(func() {
				s.names = nil
				for _, m := range all {
					s.names = append(s.names, m.Name)
				}
			})
		},
	}
}

func (s *secrets) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

// cut leaves a secret's identity only.
func cut(s *corev1.Secret) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: s.Name, ResourceVersion: s.ResourceVersion}}
}

func secret(name, version string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}, Data: map[string][]byte{"key": []byte("secret")}}
}

// server answers lists and watches; err fails the lists.
type server struct {
	mu      sync.Mutex
	err     error
	watcher *apiwatch.FakeWatcher
}

func (s *server) lister() *toolscache.ListWatch {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return &corev1.SecretList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: []corev1.Secret{*secret("a", "1")}}, s.err
		},
		WatchFuncWithContext: func(_ context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			if o.SendInitialEvents != nil { // no streamed lists
				return nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil)
			}
			return s.watcher, nil
		},
	}
}

func start(t *testing.T, s *server, into Into[*metav1.PartialObjectMetadata]) *Watch {
	w := NewWatch("secrets", s.lister(), &corev1.Secret{}, NewFeed(cut, into)).Needed("allow it")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx, logr.Discard()) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

func TestAMirrorHasWhatTheAPIServerHasAndKnowsSinceWhen(t *testing.T) {
	s, kept := &server{watcher: apiwatch.NewFake()}, &secrets{}
	w := start(t, s, kept.into())
	require.True(t, w.Settled(t.Context()))
	<-w.Filled()
	require.Equal(t, []string{"a"}, kept.all())
	listed := w.Heard()
	require.WithinDuration(t, time.Now(), listed, time.Minute)

	s.watcher.Add(secret("b", "2"))
	s.watcher.Delete(secret("a", "3"))
	require.Eventually(t, func() bool { return slices.Equal(kept.all(), []string{"b"}) }, 10*time.Second, time.Millisecond)
	changed := w.Heard()
	require.True(t, changed.After(listed))
	s.watcher.Action(apiwatch.Bookmark, secret("", "4"))
	require.Eventually(t, func() bool { return w.Heard().After(changed) }, 10*time.Second, time.Millisecond, "a sign of life")
	require.Equal(t, []string{"b"}, kept.all())
}

func TestWhatWasNeverHeardOfIsNotSettled(t *testing.T) {
	w := start(t, &server{err: errors.New("refused")}, (&secrets{}).into())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.False(t, w.Settled(ctx))
	require.Zero(t, w.Heard())
	require.Equal(t, "secrets", w.Kind())
}
