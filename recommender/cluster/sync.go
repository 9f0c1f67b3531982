package cluster

import (
	"context"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/sartor-vpa/sartor/pkg/mirror"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// kept is what holds all objects of one kind, cut down to Ts.
type kept[T client.Object] interface {
	set(T)
	drop(T)
	replace([]T)
}

func into[T client.Object](k kept[T]) mirror.Into[T] {
	return mirror.Into[T]{Set: k.set, Drop: k.drop, Replace: k.replace}
}

// mirror makes the watches that fill c by what lists read. Pods and VPAs are needed; without HPAs,
// evictions and LimitRanges the recommender works, and knows less.
func (c *Cluster) mirror(lists kinds) {
	c.watches = []*mirror.Watch{
		mirror.NewWatch("pods", mirror.InPages(lists.pods, c.pods.eyes.see), &corev1.Pod{}, mirror.NewFeed(c.pods.eyes.see, into(c.pods))).
			Needed("allow the recommender to list and watch pods"),
		mirror.NewWatch("verticalpodautoscalers", lists.vpas, &vpav1.VerticalPodAutoscaler{}, mirror.NewFeed(c.cutVPA, into(c.vpas))).
			Needed("install the VPA's custom resource definitions, and allow the recommender to list and watch them"),
		mirror.NewWatch("horizontalpodautoscalers", lists.hpas, &autoscalingv2.HorizontalPodAutoscaler{}, mirror.NewFeed(cutHPA, into(c.hpas))).
			Optional("allow the recommender to list and watch them; until then no conflict with one is seen"),
		mirror.NewWatch("events", lists.evictions, &corev1.Event{}, mirror.NewFeed(cutEvent, into(newEvictions(c.pods.addOOMs)))).
			Optional("allow the recommender to list and watch events; until then evictions raise no recommendation"),
		mirror.NewWatch("limitranges", lists.limitRanges, &corev1.LimitRange{}, mirror.NewFeed(cutLimitRange, into(c.limitRanges))).
			Optional("allow the recommender to list and watch them; until then upstream's updater may evict pods again and again whose requests they move"),
	}
}

// NeedLeaderElection lets the manager run Start in every replica, so that the next leader knows everything.
func (c *Cluster) NeedLeaderElection() bool { return false }

var _ manager.LeaderElectionRunnable = (*Cluster)(nil)

// Start watches Kubernetes until ctx ends. Nothing that fails ends it: what cannot be watched is
// tried again, and the rest is not affected.
func (c *Cluster) Start(ctx context.Context) error {
	for _, w := range c.watches {
		c.running.Go(func() { w.Run(ctx, c.log) })
	}
	c.running.Go(func() { c.watchOwners(ctx) })
	c.running.Wait()
	return nil
}

// watchOwners fills the cache that the resolver reads from, and notices when owners get other owners.
func (c *Cluster) watchOwners(ctx context.Context) {
	delay := mirror.Delays()
	for failing := false; ctx.Err() == nil; failing = true {
		err := c.informOwners(ctx)
		if err == nil && c.informers.WaitForCacheSync(ctx) {
			close(c.ownersSynced)
			return
		}
		if err != nil && !failing {
			c.log.Info("Cannot watch the owners of pods, trying again", "reason", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay()):
		}
	}
}

func (c *Cluster) informOwners(ctx context.Context) error {
	for _, object := range target.Watched() {
		informer, err := c.informers.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watching %s: %w", object.GetObjectKind().GroupVersionKind().Kind, err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: c.regroup}); err != nil {
			return fmt.Errorf("watching %s: %w", object.GetObjectKind().GroupVersionKind().Kind, err)
		}
	}
	return nil
}

// regroup notes that an owner was adopted or orphaned: what is topmost above pods may be another now.
func (c *Cluster) regroup(before, after any) {
	a, _ := before.(metav1.Object)
	b, _ := after.(metav1.Object)
	if a == nil || b == nil {
		return
	}
	was, is := metav1.GetControllerOfNoCopy(a), metav1.GetControllerOfNoCopy(b)
	if (was == nil) != (is == nil) || was != nil && was.UID != is.UID {
		c.regrouped.Store(true)
	}
}

// Synced reports whether everything has been seen once that VPAs, PodChanges and HPAs tell. What
// cannot be seen and is not needed counts as seen.
func (c *Cluster) Synced() bool {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return c.WaitForSync(ended) == nil
}

// WaitForSync waits until Synced. An error says for what, and wraps ctx's.
func (c *Cluster) WaitForSync(ctx context.Context) error {
	for _, w := range c.watches {
		if !w.Settled(ctx) {
			return fmt.Errorf("waiting until all %s have been read: %w", w.Kind(), ctx.Err())
		}
	}
	if !mirror.Closed(ctx, c.ownersSynced, nil) {
		return fmt.Errorf("waiting until all owners of pods have been read: %w", ctx.Err())
	}
	return nil
}
