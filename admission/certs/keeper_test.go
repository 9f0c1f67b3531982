package certs

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

var options = Options{
	Secret:        types.NamespacedName{Namespace: "sartor-system", Name: "ca"},
	Service:       types.NamespacedName{Namespace: "sartor-system", Name: "sartor-admission"},
	Configuration: "vpa-webhook-config",
	Publish:       true,
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyOf(t *testing.T, key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// installed is what the manifests put into the cluster.
func installed() []client.Object {
	entry := func(name, service string) admissionregistrationv1.MutatingWebhook {
		return admissionregistrationv1.MutatingWebhook{Name: name, ClientConfig: admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: "sartor-system", Name: service},
		}}
	}
	return []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sartor-system", Name: "ca"}},
		&admissionregistrationv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "vpa-webhook-config"},
			Webhooks:   []admissionregistrationv1.MutatingWebhook{entry("foreign.k8s.io", "somebody-elses"), entry("vpa.k8s.io", "sartor-admission")},
		},
	}
}

func cluster(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	scheme := runtime.NewScheme()
	require.NoError(t, corev1.AddToScheme(scheme))
	require.NoError(t, admissionregistrationv1.AddToScheme(scheme))
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
}

func keeper(t *testing.T, c client.Client) *Keeper {
	return NewKeeper(c, options, testr.New(t), prometheus.NewRegistry())
}

func bundles(t *testing.T, c client.Client) (foreign, ours []byte) {
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(t, c.Get(t.Context(), types.NamespacedName{Name: options.Configuration}, &configuration))
	return configuration.Webhooks[0].ClientConfig.CABundle, configuration.Webhooks[1].ClientConfig.CABundle
}

func write(t *testing.T, c client.Client, data map[string][]byte) {
	var secret corev1.Secret
	require.NoError(t, c.Get(t.Context(), options.Secret, &secret))
	secret.Data = data
	require.NoError(t, c.Update(t.Context(), &secret))
}

func TestOneLookMakesAllReady(t *testing.T) {
	c := cluster(t, interceptor.Funcs{}, installed()...)
	k := keeper(t, c)
	_, err := k.Certificate(nil)
	require.Error(t, err)
	require.Error(t, k.Ready(epoch))

	require.NoError(t, k.look(t.Context(), epoch))
	require.ErrorContains(t, k.Ready(epoch), "have to hear of it")
	require.NoError(t, k.Ready(epoch.Add(propagation)))
	leaf, err := k.Certificate(nil)
	require.NoError(t, err)
	foreign, ours := bundles(t, c)
	require.Empty(t, foreign, "others' entries are left alone")
	require.NoError(t, verify(t, leaf.Leaf, ours, epoch))
	require.Error(t, k.Ready(epoch.Add(leafLife+time.Hour)))
	require.Error(t, k.Ready(epoch.Add(-2*skew)))
}

func TestNothingIsWrittenWhenAllIsWell(t *testing.T) {
	writes := 0
	c := cluster(t, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			writes++
			return c.Update(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			writes++
			return c.Patch(ctx, o, p, opts...)
		},
	}, installed()...)
	k := keeper(t, c)
	for range 3 {
		require.NoError(t, k.look(t.Context(), epoch))
	}
	require.Equal(t, 2, writes, "the Secret and the configuration, once each")
}

func TestReplicasAgreeOnOneAuthority(t *testing.T) {
	c := cluster(t, interceptor.Funcs{}, installed()...)
	// slow reads the empty Secret; before it writes, fast has done all of its own.
	fast, raced := keeper(t, c), false
	slow := keeper(t, interceptor.NewClient(c, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			raced = true
			require.NoError(t, fast.look(ctx, epoch))
			return c.Update(ctx, o, opts...)
		},
	}))
	require.NoError(t, slow.look(t.Context(), epoch))
	require.True(t, raced)
	require.Equal(t, fast.authority.certificates.pem(), slow.authority.certificates.pem())
	_, ours := bundles(t, c)
	for _, k := range []*Keeper{fast, slow} {
		require.NoError(t, k.Ready(epoch.Add(propagation)))
		require.NoError(t, verify(t, k.leaf.Load().Leaf, ours, epoch))
	}
}

func TestTroubleWithTheSecretLeavesTheOldLeafInUse(t *testing.T) {
	other, err := NewAuthority(epoch)
	require.NoError(t, err)
	for name, breakIt := range map[string]func(client.Client){
		"deleted": func(c client.Client) {
			require.NoError(t, c.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sartor-system", Name: "ca"}}))
		},
		"garbage": func(c client.Client) {
			write(t, c, map[string][]byte{certificateKey: []byte("x"), keyKey: []byte("y")})
		},
		"a key that does not fit": func(c client.Client) {
			write(t, c, map[string][]byte{certificateKey: other.certificates.pem(), keyKey: []byte("y")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, interceptor.Funcs{}, installed()...)
			k := keeper(t, c)
			require.NoError(t, k.look(t.Context(), epoch))
			leaf := k.leaf.Load()
			breakIt(c)
			for _, later := range []time.Duration{0, leafLife * 3 / 4, leafLife - 2*skew} {
				require.Error(t, k.look(t.Context(), epoch.Add(later)))
				require.NoError(t, k.Ready(epoch.Add(later+propagation)))
				require.Same(t, leaf, k.leaf.Load())
			}
			var configuration admissionregistrationv1.MutatingWebhookConfiguration
			require.NoError(t, c.Get(t.Context(), types.NamespacedName{Name: options.Configuration}, &configuration))
			configuration.Webhooks[1].ClientConfig.CABundle = nil // as when the manifest is replaced
			require.NoError(t, c.Update(t.Context(), &configuration))
			require.Error(t, k.look(t.Context(), epoch))
			require.NoError(t, k.Ready(epoch.Add(propagation)), "what is in use is published again")

			require.Error(t, k.look(t.Context(), epoch.Add(leafLife)))
			require.ErrorContains(t, k.Ready(epoch.Add(leafLife)), "is valid from")
			require.Error(t, keeper(t, c).look(t.Context(), epoch), "a new replica has nothing, and waits")
		})
	}
}

func TestAnEmptiedSecretGetsTheAuthorityThatIsInUse(t *testing.T) {
	c := cluster(t, interceptor.Funcs{}, installed()...)
	k := keeper(t, c)
	require.NoError(t, k.look(t.Context(), epoch))
	before := k.authority.certificates.pem()
	write(t, c, map[string][]byte{})
	require.NoError(t, k.look(t.Context(), epoch))
	second := keeper(t, c)
	require.NoError(t, second.look(t.Context(), epoch))
	require.Equal(t, before, second.authority.certificates.pem())
}

func TestANewAuthorityInTheSecretIsPublishedBesideTheOldOneAndOnlyThenSigns(t *testing.T) {
	c := cluster(t, interceptor.Funcs{}, installed()...)
	k := keeper(t, c)
	require.NoError(t, k.look(t.Context(), epoch))
	old, leaf := k.authority, k.leaf.Load()
	other, err := NewAuthority(epoch)
	require.NoError(t, err)
	write(t, c, map[string][]byte{certificateKey: other.certificates.pem(), keyKey: other.keyPEM})

	require.NoError(t, k.look(t.Context(), epoch))
	_, ours := bundles(t, c)
	require.Equal(t, other.certificates.with(old.certificates...).pem(), ours)
	require.Same(t, leaf, k.leaf.Load(), "API servers have not all seen it yet")
	require.NoError(t, keeper(t, c).look(t.Context(), epoch), "a new replica need not wait, it has none")

	require.NoError(t, k.look(t.Context(), epoch.Add(settle-time.Second)))
	require.Same(t, leaf, k.leaf.Load())
	later := epoch.Add(settle)
	require.NoError(t, k.look(t.Context(), later))
	require.NoError(t, k.leaf.Load().Leaf.CheckSignatureFrom(other.certificate()))
	for _, later := range []time.Duration{settle, leafLife / 2, leafLife} {
		require.NoError(t, k.look(t.Context(), epoch.Add(later)))
		_, ours = bundles(t, c)
		require.NoError(t, verify(t, leaf.Leaf, ours, epoch.Add(later)), "other replicas may have such leaves still")
	}

	later = epoch.Add(overlap + grace)
	require.NoError(t, k.look(t.Context(), later))
	_, ours = bundles(t, c)
	require.Equal(t, other.certificates.pem(), ours)
	require.NoError(t, k.look(t.Context(), later))
	var secret corev1.Secret
	require.NoError(t, c.Get(t.Context(), options.Secret, &secret))
	require.NotContains(t, secret.Data, retiredKey)
}

func TestAnAuthorityIsReplacedInTimeOrWhenAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		ask   bool
		after time.Duration
	}{"asked": {true, time.Hour}, "in time": {false, authorityLife * 3 / 4}} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, interceptor.Funcs{}, installed()...)
			k := keeper(t, c)
			require.NoError(t, k.look(t.Context(), epoch))
			old := k.authority
			if tc.ask {
				var secret corev1.Secret
				require.NoError(t, c.Get(t.Context(), options.Secret, &secret))
				secret.Annotations = map[string]string{RotateAnnotation: "now"}
				require.NoError(t, c.Update(t.Context(), &secret))
			}
			now := epoch.Add(tc.after)
			require.NoError(t, k.look(t.Context(), now))
			require.True(t, k.authority.same(old))
			_, ours := bundles(t, c)
			require.Len(t, parseBundle(ours), 2, "the next one is published before it signs")
			require.NoError(t, k.look(t.Context(), now.Add(settle-time.Second)))
			require.True(t, k.authority.same(old))

			now = now.Add(settle)
			require.NoError(t, k.look(t.Context(), now))
			require.False(t, k.authority.same(old))
			require.NoError(t, k.leaf.Load().Leaf.CheckSignatureFrom(k.authority.certificate()))
			require.NoError(t, k.Ready(now))
			_, ours = bundles(t, c)
			require.Len(t, parseBundle(ours), 2)
			require.NoError(t, k.look(t.Context(), now.Add(time.Minute)))
			var secret corev1.Secret
			require.NoError(t, c.Get(t.Context(), options.Secret, &secret))
			require.Empty(t, secret.Annotations)
			require.NotContains(t, secret.Data, nextKeyKey)
		})
	}
}

func TestNothingIsServedThatTheConfigurationDoesNotTrust(t *testing.T) {
	refused := errors.New("patch: forbidden")
	forbid := true
	c := cluster(t, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if forbid {
				return refused
			}
			return c.Patch(ctx, o, p, opts...)
		},
	}, installed()...)
	k := keeper(t, c)
	require.ErrorIs(t, k.look(t.Context(), epoch), refused)
	require.Nil(t, k.leaf.Load())
	forbid = false
	require.NoError(t, k.look(t.Context(), epoch))
	require.NoError(t, k.Ready(epoch.Add(propagation)))

	forbid = true
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(t, c.Get(t.Context(), types.NamespacedName{Name: options.Configuration}, &configuration))
	configuration.Webhooks[1].ClientConfig.CABundle = nil
	require.NoError(t, c.Update(t.Context(), &configuration))
	require.ErrorIs(t, k.look(t.Context(), epoch), refused)
	require.ErrorContains(t, k.Ready(epoch), "does not trust")
	forbid = false
	require.NoError(t, k.look(t.Context(), epoch))
	require.NoError(t, k.Ready(epoch.Add(propagation)))
}

func TestWhereSomebodyElsePublishesNothingIsWrittenAndTheirWriteIsWaitedFor(t *testing.T) {
	c := cluster(t, interceptor.Funcs{}, installed()...)
	theirs := options
	theirs.Publish = false
	k := NewKeeper(c, theirs, testr.New(t), prometheus.NewRegistry())
	require.ErrorContains(t, k.look(t.Context(), epoch), "does not trust")
	require.Nil(t, k.leaf.Load())
	require.Error(t, k.Ready(epoch))

	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(t, c.Get(t.Context(), types.NamespacedName{Name: options.Configuration}, &configuration))
	configuration.Webhooks[1].ClientConfig.CABundle = k.authority.certificates.pem()
	require.NoError(t, c.Update(t.Context(), &configuration))
	require.NoError(t, k.look(t.Context(), epoch))
	require.NoError(t, k.Ready(epoch.Add(propagation)))
}

func TestEveryEntryThatCallsUsHasToTrust(t *testing.T) {
	objects := installed()
	configuration := objects[1].(*admissionregistrationv1.MutatingWebhookConfiguration)
	second := configuration.Webhooks[1]
	second.Name = "second.vpa.k8s.io"
	configuration.Webhooks = append(configuration.Webhooks, second)
	c := cluster(t, interceptor.Funcs{}, objects...)
	k := keeper(t, c)
	require.NoError(t, k.look(t.Context(), epoch))
	var got admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(t, c.Get(t.Context(), types.NamespacedName{Name: options.Configuration}, &got))
	require.Equal(t, got.Webhooks[1].ClientConfig.CABundle, got.Webhooks[2].ClientConfig.CABundle)

	got.Webhooks[2].ClientConfig.CABundle = nil // as when a new manifest is applied
	require.NoError(t, c.Update(t.Context(), &got))
	k.publication.write = false
	require.NoError(t, k.look(t.Context(), epoch))
	require.Error(t, k.Ready(epoch))
}

func TestTheConfigurationDecidesReadinessOnlyWhenItCanBeRead(t *testing.T) {
	var broken error
	c := cluster(t, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if broken != nil {
				return broken
			}
			return c.Get(ctx, key, o, opts...)
		},
	}, installed()...)
	k := keeper(t, c)
	require.NoError(t, k.look(t.Context(), epoch))
	broken = errors.New("connection refused")
	require.ErrorIs(t, k.look(t.Context(), epoch), broken)
	require.NoError(t, k.Ready(epoch.Add(propagation)), "an API server that is away changes nothing")

	broken = nil
	require.NoError(t, c.Delete(t.Context(), installed()[1]))
	require.Error(t, k.look(t.Context(), epoch))
	require.ErrorContains(t, k.Ready(epoch), "vpa-webhook-config")

	none := installed()[1].(*admissionregistrationv1.MutatingWebhookConfiguration)
	none.Webhooks = none.Webhooks[:1]
	require.NoError(t, c.Create(t.Context(), none))
	require.ErrorContains(t, k.look(t.Context(), epoch), "the webhook configuration vpa-webhook-config calls the Service sartor-system/somebody-elses, and no entry of it the Service sartor-system/sartor-admission")
}

func TestItSaysWhoIsCalledInItsPlace(t *testing.T) {
	service := func(namespace, name string) admissionregistrationv1.MutatingWebhook {
		return admissionregistrationv1.MutatingWebhook{ClientConfig: admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: name},
		}}
	}
	byURL := admissionregistrationv1.MutatingWebhook{ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: new("https://10.0.0.1:8000")}}
	for want, hooks := range map[string][]admissionregistrationv1.MutatingWebhook{
		"nobody":                                    nil,
		"the Service kube-system/vpa-webhook":       {service("kube-system", "vpa-webhook"), service("kube-system", "vpa-webhook")},
		"https://10.0.0.1:8000 and the Service a/b": {byURL, service("a", "b")},
	} {
		require.Equal(t, want, callees(hooks))
	}
}

func TestMetricsTellTheLeafsEndAndWhetherItIsOfUse(t *testing.T) {
	k := &Keeper{}
	now := epoch
	registry := prometheus.NewRegistry()
	k.register(registry, func() time.Time { return now })
	gauges := func() map[string]float64 {
		families, err := registry.Gather()
		require.NoError(t, err)
		found := map[string]float64{}
		for _, family := range families {
			found[family.GetName()] = family.Metric[0].Gauge.GetValue()
		}
		return found
	}
	const expiry, usable = "sartor_admission_certificate_expiry_timestamp_seconds", "sartor_admission_certificate_usable"
	require.Equal(t, map[string]float64{expiry: 0, usable: 0}, gauges())
	leaf, err := authority(t, epoch).Leaf(epoch, serverName)
	require.NoError(t, err)
	end := float64(epoch.Add(leafLife).Unix())
	k.replace(leaf, true)
	require.Equal(t, map[string]float64{expiry: end, usable: 1}, gauges())
	for name, later := range map[string]time.Duration{"expired": leafLife, "not yet valid": -2 * skew} {
		now = epoch.Add(later)
		require.Equal(t, map[string]float64{expiry: end, usable: 0}, gauges(), name)
	}
	now = epoch
	k.replace(leaf, false)
	require.Equal(t, map[string]float64{expiry: end, usable: 0}, gauges(), "not trusted")
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, keeper(t, cluster(t, interceptor.Funcs{}, installed()...)).Run(ctx))
}
