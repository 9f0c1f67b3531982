package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

const (
	perNamespace = 100
	clients      = 16               // that create and delete at the same time
	patience     = 10 * time.Minute // for thousands of pods on a small machine
)

func namespaceOf(i int) string { return fmt.Sprintf("team-%02d", i/perNamespace) }
func nameOf(i int) string      { return fmt.Sprintf("service-%04d", i) }

// load creates the Deployments and waits until metrics.k8s.io tells what all of their pods use.
func (b *bench) load(ctx context.Context) error {
	b.say("creating %d Deployments of %d pods each", b.vpas, b.replicas)
	for i := 0; i < b.vpas; i += perNamespace {
		if err := b.createNamespace(ctx, namespaceOf(i)); err != nil {
			return err
		}
	}
	if err := each(ctx, b.vpas, func(ctx context.Context, i int) error {
		_, err := b.kube.AppsV1().Deployments(namespaceOf(i)).Create(ctx, deployment(i, b.replicas), metav1.CreateOptions{})
		return err
	}); err != nil {
		return err
	}
	for _, stage := range []struct {
		what  string
		count func(context.Context) (int, error)
	}{{"pods run", b.running}, {"pods are served by metrics.k8s.io", b.served}} {
		if err := b.reach(ctx, stage.what, stage.count); err != nil {
			return err
		}
	}
	return nil
}

// almost is how many of a hundred pods must be there: on a busy machine metrics-server misses a few for minutes.
const almost = 99

// reach waits until almost all pods are counted, and tells how far it is.
func (b *bench) reach(ctx context.Context, what string, count func(context.Context) (int, error)) error {
	told, n := time.Now(), 0
	err := poll.Within(ctx, patience, 5*time.Second, func(ctx context.Context) error {
		var err error
		if n, err = count(ctx); err == nil && 100*n < almost*b.pods() {
			err = fmt.Errorf("%d of %d", n, b.pods())
		}
		if err != nil && time.Since(told) > 15*time.Second {
			told = time.Now()
			b.say("%s: %v", what, err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	b.say("%d %s", n, what)
	return nil
}

// running asks the Deployments: listing ten thousand pods every few seconds would be a load of its own.
func (b *bench) running(ctx context.Context) (int, error) {
	list, err := b.kube.AppsV1().Deployments("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, d := range list.Items {
		sum += int(d.Status.ReadyReplicas)
	}
	return sum, nil
}

func (b *bench) served(ctx context.Context) (int, error) {
	list, err := b.metrics.MetricsV1beta1().PodMetricses("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, err
	}
	return len(list.Items), nil
}

// createVPAs creates a VPA for each Deployment, with the checkpoints that upstream's recommender would have left.
func (b *bench) createVPAs(ctx context.Context) error {
	now := time.Now()
	api := b.vpa.AutoscalingV1()
	return each(ctx, b.vpas, func(ctx context.Context, i int) error {
		if _, err := api.VerticalPodAutoscalers(namespaceOf(i)).Create(ctx, &vpav1.VerticalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Name: nameOf(i)},
			Spec: vpav1.VerticalPodAutoscalerSpec{
				TargetRef: &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: nameOf(i)},
			},
		}, metav1.CreateOptions{}); err != nil {
			return err
		}
		for _, c := range containersOf(i) {
			if _, err := api.VerticalPodAutoscalerCheckpoints(namespaceOf(i)).Create(ctx, checkpoint(i, c, now), metav1.CreateOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// deleteVPAs deletes all VPAs and checkpoints, so that the next side begins with nothing.
func (b *bench) deleteVPAs(ctx context.Context) error {
	for i := 0; i < b.vpas; i += perNamespace {
		api := b.vpa.AutoscalingV1()
		if err := api.VerticalPodAutoscalers(namespaceOf(i)).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			return err
		}
		if err := api.VerticalPodAutoscalerCheckpoints(namespaceOf(i)).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// createNamespace creates one and waits for the account that its pods need.
func (b *bench) createNamespace(ctx context.Context, name string) error {
	if _, err := b.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	return poll.Within(ctx, time.Minute, 50*time.Millisecond, func(ctx context.Context) error {
		_, err := b.kube.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// each calls do for 0 to n-1, some at a time, until one fails.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
