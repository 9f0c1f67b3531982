package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	// attempts bounds how often a look begins again because another replica wrote in between.
	attempts = 5
)

// RotateAnnotation on the Secret, with any value, asks for a new authority. It is taken off when that was made.
const RotateAnnotation = "sartor.dev/rotate"

// Options name what a Keeper keeps.
type Options struct {
	// Secret holds the authority. It has to exist, empty at first: the Keeper may not create it, so
	// that its rights can be limited to this one.
	Secret types.NamespacedName
	// Service is what the API server calls; the leaf is valid for SERVICE.NAMESPACE.svc.
	Service types.NamespacedName
	// Configuration is the MutatingWebhookConfiguration whose entries have to trust the leaf.
	Configuration string
	// Publish is unset where somebody else writes to the Configuration whom its entries trust.
	Publish bool
}

func (o Options) serverName() string { return o.Service.Name + "." + o.Service.Namespace + ".svc" }

func (o Options) publication(c client.Client, log logr.Logger) publication {
	return publication{client: c, configuration: o.Configuration, service: o.Service, write: o.Publish, log: log}
}

// Keeper keeps, without anybody's help, a valid leaf of an authority that all replicas share, and publishes that. Run is its only writer;
// Certificate and Ready may be called at any time.
//
// No leaf is ever served that is not trusted where it is published, as far as can be seen; and what is
// published is taken back only when no leaf of it can live.
type Keeper struct {
	served
	client      client.Client
	publication publication
	options     Options
	log         logr.Logger

	// Run's own.
	authority *Authority
	trouble   trouble
	since     map[string]time.Time // since when each certificate was seen to be published, by its bytes
}

// NewKeeper returns a Keeper that reads and writes through client, which must not cache: the rights
// do not allow to list Secrets. Its metrics are registered.
func NewKeeper(c client.Client, o Options, log logr.Logger, registerer prometheus.Registerer) *Keeper {
	k := &Keeper{client: c, options: o, log: log, publication: o.publication(c, log), trouble: trouble{log: log}}
	k.configuration = o.Configuration
	k.register(registerer, time.Now)
	return k
}

// Run keeps until ctx ends, and then returns nil.
func (k *Keeper) Run(ctx context.Context) error { return repeat(ctx, k.look) }

// repeat looks until ctx ends: every resync while all is well, and sooner after an error.
func repeat(ctx context.Context, look func(context.Context, time.Time) error) error {
	retry := firstRetry
	for {
		wait := resync
		if err := look(ctx, time.Now()); err != nil {
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

// look puts right what is wrong at now, and logs when what is wrong changes.
func (k *Keeper) look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var err error
	for range attempts {
		// Another replica wrote in between: see what it wrote, and begin again.
		if err = k.once(ctx, now); !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
			break
		}
	}
	k.trouble.tell(ctx, err, k.usable(now) == nil)
	return err
}

// once goes the whole way: Secret, publication, leaf. The Secret is read first: what is published and not in a
// Secret that was read later would look like somebody else's.
//
// A Secret that is gone or makes no sense is left alone: it is somebody's, and two programs that put right each
// other's Secret for ever would be worse than one that waits, with the leaf it has, for a human.
func (k *Keeper) once(ctx context.Context, now time.Time) error {
	var secret corev1.Secret
	var stored state
	err := k.client.Get(ctx, k.options.Secret, &secret)
	if err != nil {
		err = fmt.Errorf("reading the Secret %s of the certificate authority: %w", k.options.Secret, err)
	} else if stored, err = parseState(secret.Data); err != nil {
		err = fmt.Errorf("the Secret %s is of no use (empty its data to have it written anew): %w", k.options.Secret, err)
	}
	found, publishedErr := k.publication.read(ctx)
	if publishedErr != nil {
		if errors.Is(publishedErr, errNotOurs) {
			k.see(entries{}, now)
		}
		return errors.Join(err, publishedErr)
	}
	k.see(found, now)
	if err != nil {
		return errors.Join(err, k.stay(ctx, now, found))
	}
	stored, err = k.turn(ctx, now, &secret, stored, found)
	if err != nil {
		return err
	}
	k.authority = stored.current
	news := !found.all.has(k.authority.certificate()) && k.usable(now) != nil
	if found, err = k.publication.publish(ctx, found, stored.wanted(now, found.any)); err != nil {
		return err
	}
	if news {
		k.told.Store(now.Add(propagation).UnixNano())
	}
	k.see(found, now)
	return k.renew(now, found.all)
}

// stay keeps published, without the Secret's help, what signed the leaf in use.
func (k *Keeper) stay(ctx context.Context, now time.Time, found entries) error {
	if k.authority == nil {
		return nil
	}
	found, err := k.publication.publish(ctx, found, found.any.with(k.authority.certificates...))
	if err == nil {
		k.see(found, now)
	}
	return err
}

// turn decides what the Secret shall hold and writes it if that is news. The Secret's resourceVersion goes with it, so
// that this fails with a conflict if it was written to since it was read.
func (k *Keeper) turn(ctx context.Context, now time.Time, secret *corev1.Secret, stored state, found entries) (state, error) {
	_, rotate := secret.Annotations[RotateAnnotation]
	v := view{now: now, settled: k.settled(now), mine: k.authority, rotate: rotate}
	if k.options.Publish {
		v.published = found.any // else what is there is the affair of who writes it
	}
	wanted, news, err := stored.turn(v)
	if err != nil || len(news) == 0 && !rotate {
		return wanted, err
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	wanted.into(secret.Data)
	delete(secret.Annotations, RotateAnnotation)
	if err := k.client.Update(ctx, secret); err != nil {
		return state{}, fmt.Errorf("writing the Secret %s of the certificate authority: %w", k.options.Secret, err)
	}
	for _, text := range news {
		k.log.Info(text, "secret", k.options.Secret.String())
	}
	return wanted, nil
}

// see takes note of what our entries trust.
func (k *Keeper) see(found entries, now time.Time) {
	since := map[string]time.Time{}
	for _, certificate := range found.all {
		key := string(certificate.Raw)
		if before, ok := k.since[key]; ok {
			since[key] = before
		} else {
			since[key] = now
		}
	}
	k.since = since
	leaf := k.leaf.Load()
	k.trusted.Store(leaf != nil && found.all.trusts(leaf, k.options.serverName(), now))
}

// settled tells of an authority whether all of our entries have trusted it for long enough.
func (k *Keeper) settled(now time.Time) func(*Authority) bool {
	return func(a *Authority) bool {
		since, ok := k.since[string(a.certificate().Raw)]
		return ok && !now.Before(since.Add(settle))
	}
}

// renew replaces the leaf if it is due, or of another authority; but never by one that is not trusted.
func (k *Keeper) renew(now time.Time, published bundle) error {
	leaf := k.leaf.Load()
	same := leaf != nil && leaf.Leaf.CheckSignatureFrom(k.authority.certificate()) == nil
	if same && now.Before(RenewAt(leaf)) && !now.Before(leaf.Leaf.NotBefore) {
		return nil
	}
	if !published.has(k.authority.certificate()) {
		return fmt.Errorf("the webhook configuration %s does not trust the certificate authority of the Secret %s yet", k.options.Configuration, k.options.Secret)
	}
	if leaf != nil && !same && k.usable(now) == nil && !k.settled(now)(k.authority) {
		return nil // the one in use is as good for now
	}
	next, err := k.authority.Leaf(now, k.options.serverName())
	if err != nil {
		return err
	}
	k.use(next, published, now)
	return nil
}

func (k *Keeper) use(leaf *tls.Certificate, published bundle, now time.Time) {
	k.replace(leaf, published.trusts(leaf, k.options.serverName(), now))
	k.log.Info("serving certificate made", "name", k.options.serverName(), "until", leaf.Leaf.NotAfter.UTC().Format(time.RFC3339))
}
