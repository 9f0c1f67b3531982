package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Keys of the Secret.
const (
	bundleKey = "ca.crt"
	keyKey    = "ca.key"
)

// adopt makes the Secret's authority ours. An empty Secret is filled, with the authority that we
// have if we have one; whichever replica writes first wins, and the others adopt what it wrote.
//
// Anything else in it is left alone: it is somebody's, and two programs that put right each other's
// Secret for ever would be worse than one that waits, with the leaf it has, for a human.
func (k *Keeper) adopt(ctx context.Context, now time.Time) error {
	var secret corev1.Secret
	if err := k.client.Get(ctx, k.options.Secret, &secret); err != nil {
		return fmt.Errorf("reading the Secret %s of the certificate authority: %w", k.options.Secret, err)
	}
	if len(secret.Data[bundleKey]) == 0 && len(secret.Data[keyKey]) == 0 {
		err := k.fill(ctx, now, &secret)
		if apierrors.IsConflict(err) {
			return k.adopt(ctx, now) // another replica was faster: take what it wrote
		}
		return err
	}
	authority, err := ParseAuthority(secret.Data[bundleKey], secret.Data[keyKey])
	if err != nil {
		return fmt.Errorf("the Secret %s is of no use (empty its data to have it written anew): %w", k.options.Secret, err)
	}
	if k.authority == nil || !bytes.Equal(k.authority.bundle, authority.bundle) {
		k.log.Info("certificate authority read", "secret", k.options.Secret.String(), "until", authority.certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	k.authority = authority
	return nil
}

// fill writes an authority into the Secret. The Secret's resourceVersion goes with it, so that this
// fails with a conflict if it was written to since it was read.
func (k *Keeper) fill(ctx context.Context, now time.Time, secret *corev1.Secret) error {
	authority := k.authority
	if authority == nil {
		var err error
		if authority, err = NewAuthority(now); err != nil {
			return err
		}
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[bundleKey], secret.Data[keyKey] = authority.bundle, authority.keyPEM
	if err := k.client.Update(ctx, secret); err != nil {
		return fmt.Errorf("writing the Secret %s of the certificate authority: %w", k.options.Secret, err)
	}
	k.authority = authority
	k.log.Info("certificate authority written", "secret", k.options.Secret.String())
	return nil
}

// publish writes the authority's bundle into the entries of the webhook configuration that call our
// Service. Others' entries are left alone, as when upstream's own admission controller, which uses
// the same name, runs in this cluster.
func (k *Keeper) publish(ctx context.Context) error {
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	err := k.client.Get(ctx, types.NamespacedName{Name: k.options.Configuration}, &configuration)
	if apierrors.IsNotFound(err) {
		k.published.Store(false)
	}
	if err != nil {
		return fmt.Errorf("reading the webhook configuration %s: %w", k.options.Configuration, err)
	}
	patch, ours := k.bundlePatch(&configuration)
	if ours == 0 {
		k.published.Store(false)
		return fmt.Errorf("no entry of the webhook configuration %s calls the Service %s", k.options.Configuration, k.options.Service)
	}
	if len(patch) > 0 {
		k.published.Store(false)
		if err := k.client.Patch(ctx, &configuration, client.RawPatch(types.JSONPatchType, patch)); err != nil {
			return fmt.Errorf("publishing the certificate authority in the webhook configuration %s: %w", k.options.Configuration, err)
		}
		k.log.Info("certificate authority published", "configuration", k.options.Configuration)
	}
	k.published.Store(true)
	return nil
}

// bundlePatch returns the JSON patch that gives our entries the authority's bundle, empty if they
// have it, and how many entries are ours. A JSON patch touches only that: a whole object written
// back would lose fields that this program is too old to know.
func (k *Keeper) bundlePatch(c *admissionregistrationv1.MutatingWebhookConfiguration) (patch []byte, ours int) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	var operations []operation
	for i := range c.Webhooks {
		service := c.Webhooks[i].ClientConfig.Service
		if service == nil || service.Namespace != k.options.Service.Namespace || service.Name != k.options.Service.Name {
			continue
		}
		ours++
		if !bytes.Equal(c.Webhooks[i].ClientConfig.CABundle, k.authority.bundle) {
			// Entries are addressed by their place: the test makes sure that it is still theirs.
			entry := fmt.Sprintf("/webhooks/%d", i)
			operations = append(operations,
				operation{"test", entry + "/name", c.Webhooks[i].Name},
				operation{"add", entry + "/clientConfig/caBundle", k.authority.bundle})
		}
	}
	if len(operations) == 0 {
		return nil, ours
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		panic(err) // strings and bytes always encode
	}
	return patch, ours
}
