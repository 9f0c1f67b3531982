package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	toolscache "k8s.io/client-go/tools/cache"
)

// source is an API server's list of one kind, and the one watch on it. It refuses to stream lists.
type source struct {
	mu      sync.Mutex
	list    runtime.Object
	err     error
	lists   int
	watcher *apiwatch.FakeWatcher
}

func (s *source) listWatch() *toolscache.ListWatch {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lists++
			if s.err != nil {
				return nil, s.err
			}
			return s.list.DeepCopyObject(), nil
		},
		WatchFuncWithContext: func(_ context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if o.SendInitialEvents != nil {
				return nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil)
			}
			s.watcher = apiwatch.NewFake()
			return s.watcher, nil
		},
	}
}

// set makes what the next list answers.
func (s *source) set(list runtime.Object, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.err = list, err
}

// watched returns the watch that is under way.
func (s *source) watched(t *testing.T) *apiwatch.FakeWatcher {
	var w *apiwatch.FakeWatcher
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		w = s.watcher
		return w != nil && !w.IsStopped()
	}, 10*time.Second, time.Millisecond)
	return w
}

func podList(pods ...*corev1.Pod) *corev1.PodList {
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	for _, pod := range pods {
		list.Items = append(list.Items, *pod)
	}
	return list
}

// sources are all lists; what is not given is empty.
type sources struct{ pods, vpas, hpas, evictions, limitRanges *source }

func newSources() *sources {
	return &sources{
		pods: &source{list: podList()}, vpas: &source{list: &vpav1.VerticalPodAutoscalerList{}},
		hpas: &source{list: &autoscalingv2.HorizontalPodAutoscalerList{}}, evictions: &source{list: &corev1.EventList{}},
		limitRanges: &source{list: &corev1.LimitRangeList{}},
	}
}

// start returns a cluster that watches s until the test ends.
func (s *sources) start(t *testing.T, log logr.Logger) *Cluster {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	c.log = log
	close(c.ownersSynced)
	c.mirror(kinds{pods: s.pods.listWatch(), vpas: s.vpas.listWatch(), hpas: s.hpas.listWatch(), evictions: s.evictions.listWatch(), limitRanges: s.limitRanges.listWatch()})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, w := range c.watches {
		running.Go(func() { w.Run(ctx, log) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return c
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestTheLoopStartsOnFullKnowledge(t *testing.T) {
	s := newSources()
	s.pods.set(podList(started("shop-1-a", "shop-1"), started("shop-1-b", "shop-1")), nil)
	c := s.start(t, logr.Discard())
	require.NoError(t, c.WaitForSync(within(t)))
	require.True(t, c.Synced())
	require.Equal(t, []string{"shop-1-a", "shop-1-b"}, names(c.next(t).Pods))
}

func TestAWatchThatBeginsAnewFindsWhatWentMissing(t *testing.T) {
	s := newSources()
	s.pods.set(podList(started("shop-1-a", "shop-1"), started("shop-1-b", "shop-1")), nil)
	c := s.start(t, logr.Discard())
	require.NoError(t, c.WaitForSync(within(t)))
	c.next(t)

	w := s.pods.watched(t)
	w.Add(started("shop-1-c", "shop-1"))
	w.Delete(started("shop-1-a", "shop-1"))
	killed := started("shop-1-c", "shop-1")
	killed.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}}
	w.Modify(killed)
	<-c.PodsSignal()
	changes := c.next(t)
	require.Equal(t, []string{"shop-1-c"}, names(changes.Pods))
	require.Equal(t, "shop-1-a", changes.Gone[0].Name)
	require.Len(t, changes.OOMs, 1)

	s.pods.set(podList(killed), nil)
	w.Error(&apierrors.NewResourceExpired("too old resource version").ErrStatus) // 410 Gone
	require.Eventually(t, func() bool {
		changes = c.next(t)
		return len(changes.Gone) > 0
	}, 20*time.Second, time.Millisecond)
	require.Equal(t, "shop-1-b", changes.Gone[0].Name)
	require.Empty(t, changes.OOMs, "counted before")
}

// said collects what is logged.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) logger() logr.Logger {
	return funcr.New(func(_, line string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lines = append(s.lines, line)
	}, funcr.Options{})
}

func (s *said) with(text string) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestWhatCannotBeWatchedIsSaidOnceAndTriedAgain(t *testing.T) {
	s, log := newSources(), &said{}
	s.vpas.set(nil, apierrors.NewNotFound(schema.GroupResource{}, "")) // The CRDs are missing.
	s.hpas.set(nil, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no")))
	s.pods.set(podList(started("shop-1-a", "shop-1")), nil)
	c := s.start(t, log.logger())

	require.Eventually(t, func() bool {
		s.vpas.mu.Lock()
		defer s.vpas.mu.Unlock()
		return s.vpas.lists >= 2
	}, 20*time.Second, time.Millisecond)
	require.False(t, c.Synced())
	waiting, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.ErrorContains(t, c.WaitForSync(waiting), "verticalpodautoscalers")
	require.Len(t, log.with("verticalpodautoscalers"), 1, log.with("verticalpodautoscalers"))
	require.Contains(t, log.with("verticalpodautoscalers")[0], "custom resource definitions")
	require.Equal(t, []string{"shop-1-a"}, names(c.next(t).Pods), "others are not affected")

	s.vpas.set(&vpav1.VerticalPodAutoscalerList{Items: []vpav1.VerticalPodAutoscaler{*vpa("store", "shop")}}, nil)
	require.NoError(t, c.WaitForSync(within(t)), "HPAs hold nobody up")
	vpas, err := c.VPAs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"store/shop"}, vpaNames(vpas))
	<-c.Changed()
	require.Eventually(t, func() bool { return len(log.with("Could watch again\" \"kind\"=\"verticalpodautoscalers\"")) == 1 }, 10*time.Second, time.Millisecond, "and that it works again, at once")
	require.Len(t, log.with("horizontalpodautoscalers"), 1)
}
