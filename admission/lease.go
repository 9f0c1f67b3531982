package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lease tells upstream's updater that pods are admitted: without a Lease that was renewed lately it evicts none, for
// they would come back as they were. All replicas that are ready renew it.
type lease struct {
	client   client.Client
	name     types.NamespacedName
	holder   string
	interval time.Duration
	ready    func(time.Time) error
	log      logr.Logger

	problem string // what the last renewal stumbled over; empty if nothing
}

func (o *options) newLease(c client.Client, ready func(time.Time) error, log logr.Logger) (*lease, error) {
	holder, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("the name of this host, to hold the lease by: %w", err)
	}
	return &lease{
		client: c, holder: holder, interval: o.lease.interval, ready: ready, log: log,
		name: types.NamespacedName{Namespace: cmp.Or(o.lease.namespace, o.certificates.namespace), Name: o.lease.name},
	}, nil
}

// run renews until ctx ends, and then returns nil.
func (l *lease) run(ctx context.Context) error {
	if l.interval == 0 {
		return nil
	}
	ticker := time.NewTicker(l.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			l.tell(ctx, l.renew(ctx, now))
		}
	}
}

// renew renews the lease at now if this replica is ready, and no other did so just before.
func (l *lease) renew(ctx context.Context, now time.Time) error {
	if l.ready(now) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.interval)
	defer cancel()
	var found coordinationv1.Lease
	err := l.client.Get(ctx, l.name, &found)
	switch {
	case apierrors.IsNotFound(err):
		found = coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: l.name.Namespace, Name: l.name.Name}}
		l.hold(&found, now)
		err = l.client.Create(ctx, &found)
	case err == nil:
		if renewed := found.Spec.RenewTime; renewed != nil && now.Sub(renewed.Time).Abs() < l.interval/2 {
			return nil
		}
		l.hold(&found, now)
		err = l.client.Update(ctx, &found)
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return nil // another replica was faster
	}
	return err
}

func (l *lease) hold(found *coordinationv1.Lease, now time.Time) {
	seconds := int32(max(1, l.interval/time.Second))
	renewed := metav1.NewMicroTime(now)
	found.Spec.HolderIdentity, found.Spec.LeaseDurationSeconds, found.Spec.RenewTime = &l.holder, &seconds, &renewed
}

// tell logs when what is wrong changes.
func (l *lease) tell(ctx context.Context, err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if errors.Is(ctx.Err(), context.Canceled) || problem == l.problem {
		return
	}
	if err != nil {
		l.log.Error(err, "the lease that upstream's updater waits for cannot be renewed: apply deploy/, or set --status-lease-update-interval=0 if no such updater runs", "lease", l.name.String())
	} else {
		l.log.Info("the lease is renewed again", "lease", l.name.String())
	}
	l.problem = problem
}
