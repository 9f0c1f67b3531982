package certs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// publication is the webhook configuration, of which we read and write what the entries that call our Service
// trust. Others' entries are left alone, as when upstream's own admission controller, which uses the same name, runs
// in this cluster.
type publication struct {
	client        client.Client
	configuration string
	service       types.NamespacedName
	// write is unset where somebody else writes it.
	write bool
	log   logr.Logger
}

// entries are what our entries trusted when they were read.
type entries struct {
	// all are trusted by each of them, any by at least one.
	all, any bundle

	version string
	ours    []entry
}

type entry struct {
	index   int
	name    string
	trusted bundle
}

// errNotOurs is of a configuration that never calls us: also API servers know that.
var errNotOurs = errors.New("the API server does not call this webhook")

func (p publication) read(ctx context.Context) (entries, error) {
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	if err := p.client.Get(ctx, types.NamespacedName{Name: p.configuration}, &configuration); err != nil {
		if apierrors.IsNotFound(err) {
			err = errors.Join(errNotOurs, err)
		}
		return entries{}, fmt.Errorf("reading the webhook configuration %s: %w", p.configuration, err)
	}
	found := entries{version: configuration.ResourceVersion}
	for i := range configuration.Webhooks {
		hook := &configuration.Webhooks[i]
		service := hook.ClientConfig.Service
		if service != nil && service.Namespace == p.service.Namespace && service.Name == p.service.Name {
			found.ours = append(found.ours, entry{i, hook.Name, parseBundle(hook.ClientConfig.CABundle)})
		}
	}
	if len(found.ours) == 0 {
		return entries{}, fmt.Errorf("%w: the webhook configuration %s calls %s, and no entry of it the Service %s; only one admission controller can be registered in it, and docs/migration.md says how to change from one to the other",
			errNotOurs, p.configuration, callees(configuration.Webhooks), p.service)
	}
	found.sum()
	return found, nil
}

// callees are whom the entries call, each once: upstream's admission controller, for one, which registers itself under
// the same name whenever it starts.
func callees(hooks []admissionregistrationv1.MutatingWebhook) string {
	var all []string
	for i := range hooks {
		var callee string
		switch to := hooks[i].ClientConfig; {
		case to.Service != nil:
			callee = "the Service " + to.Service.Namespace + "/" + to.Service.Name
		case to.URL != nil:
			callee = *to.URL
		}
		if !slices.Contains(all, callee) {
			all = append(all, callee)
		}
	}
	return cmp.Or(strings.Join(all, " and "), "nobody")
}

func (e *entries) sum() {
	e.all, e.any = e.ours[0].trusted, nil
	for _, one := range e.ours {
		e.all = e.all.in(one.trusted)
		e.any = e.any.with(one.trusted...)
	}
}

// publish makes each of our entries trust what is wanted, and nothing else. It fails if the configuration was
// written to since it was read.
func (p publication) publish(ctx context.Context, found entries, wanted bundle) (entries, error) {
	if !p.write {
		return found, nil
	}
	patch := found.patch(wanted)
	if patch == nil {
		return found, nil
	}
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{}
	configuration.Name = p.configuration
	if err := p.client.Patch(ctx, configuration, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		return found, fmt.Errorf("publishing the certificate authority in the webhook configuration %s: %w", p.configuration, err)
	}
	p.log.Info("certificate authority published", "configuration", p.configuration, "certificates", len(wanted))
	for i := range found.ours {
		found.ours[i].trusted = wanted
	}
	found.version = configuration.ResourceVersion
	found.sum()
	return found, nil
}

// patch is the JSON patch that makes our entries trust what is wanted; nil if they do. It touches only that: a
// whole object written back would lose fields that this program is too old to know. It has the version that was
// read tested, so that it undoes nobody's write, and finds each entry where it was.
func (e *entries) patch(wanted bundle) []byte {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	operations := []operation{{"test", "/metadata/resourceVersion", e.version}}
	for _, one := range e.ours {
		// The order says nothing, and replicas need not fight for it.
		if len(one.trusted) != len(wanted) || !one.trusted.hasAll(wanted) {
			operations = append(operations, operation{"add", fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", one.index), wanted.pem()})
		}
	}
	if len(operations) == 1 {
		return nil
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		panic(err) // strings and bytes always encode
	}
	return patch
}
