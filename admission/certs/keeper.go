package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// resync is how often the Secret and the webhook configuration are looked at while all is well:
	// two small reads.
	resync = 30 * time.Second
	// firstRetry and resync bound the pause after a problem, which doubles each time.
	firstRetry = time.Second
	// callTimeout bounds each look, so that a hanging API server delays no renewal.
	callTimeout = 10 * time.Second
)

// Options name what a Keeper keeps.
type Options struct {
	// Secret holds the authority. It has to exist, empty at first: the Keeper may not create it, so
	// that its rights can be limited to this one.
	Secret types.NamespacedName
	// Service is what the API server calls; the leaf is valid for SERVICE.NAMESPACE.svc.
	Service types.NamespacedName
	// Configuration is the MutatingWebhookConfiguration that the authority is published in.
	Configuration string
}

// Keeper keeps a valid leaf and a published authority. Run is its only writer; Certificate and Ready
// may be called at any time.
type Keeper struct {
	client  client.Client
	options Options
	log     logr.Logger

	// Run's own.
	authority *Authority
	problem   string // what the last look stumbled over; empty if nothing

	leaf      atomic.Pointer[tls.Certificate]
	published atomic.Bool // the API server trusts the leaf, as far as we know
}

// NewKeeper returns a Keeper that reads and writes through client, which must not cache: the rights
// do not allow to list Secrets. The leaf's end is registered as a metric.
func NewKeeper(c client.Client, o Options, log logr.Logger, registerer prometheus.Registerer) *Keeper {
	k := &Keeper{client: c, options: o, log: log}
	registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "sartor", Subsystem: "admission", Name: "certificate_expiry_timestamp_seconds",
		Help: "When the serving certificate ends, in Unix seconds; 0 while there is none.",
	}, func() float64 {
		if leaf := k.leaf.Load(); leaf != nil {
			return float64(leaf.Leaf.NotAfter.Unix())
		}
		return 0
	}))
	return k
}

// Run keeps until ctx ends, and then returns nil.
func (k *Keeper) Run(ctx context.Context) error {
	retry := firstRetry
	for {
		wait := resync
		if err := k.look(ctx, time.Now()); err != nil {
			wait, retry = retry, min(2*retry, resync)
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// Certificate returns the current leaf, for tls.Config.GetCertificate.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if leaf := k.leaf.Load(); leaf != nil {
		return leaf, nil
	}
	return nil, errors.New("no serving certificate yet")
}

// Ready returns nil if API servers can call the webhook at this time, else why they cannot.
func (k *Keeper) Ready(now time.Time) error {
	leaf := k.leaf.Load()
	switch {
	case leaf == nil:
		return errors.New("no serving certificate yet")
	case now.Before(leaf.Leaf.NotBefore) || now.After(leaf.Leaf.NotAfter):
		return fmt.Errorf("the serving certificate is valid from %s to %s only", leaf.Leaf.NotBefore.UTC().Format(time.RFC3339), leaf.Leaf.NotAfter.UTC().Format(time.RFC3339))
	case !k.published.Load():
		return fmt.Errorf("webhook configuration %s does not trust the serving certificate yet", k.options.Configuration)
	}
	return nil
}

// look puts right what is wrong at now, and logs when what is wrong changes. A problem with the
// Secret leaves the authority that we have in use: it is as good as ever.
func (k *Keeper) look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := k.adopt(ctx, now)
	if k.authority != nil {
		err = errors.Join(err, k.renew(now), k.publish(ctx))
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		// We are stopping: what failed because of that is no news.
	case problem != "" && problem != k.problem:
		k.log.Error(err, "certificates need attention", "ready", k.Ready(now) == nil)
	case problem == "" && k.problem != "":
		k.log.Info("certificates are in order again")
	}
	k.problem = problem
	return err
}

// renew replaces the leaf if it is due, or of another authority.
func (k *Keeper) renew(now time.Time) error {
	leaf := k.leaf.Load()
	if leaf != nil && now.Before(RenewAt(leaf)) && leaf.Leaf.CheckSignatureFrom(k.authority.certificate) == nil {
		return nil
	}
	name := k.options.Service.Name + "." + k.options.Service.Namespace + ".svc"
	leaf, err := k.authority.Leaf(now, name)
	if err != nil {
		return err
	}
	k.leaf.Store(leaf)
	k.log.Info("serving certificate made", "name", name, "until", leaf.Leaf.NotAfter.UTC().Format(time.RFC3339))
	return nil
}
