package certs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// simulation is a cluster in which much goes wrong, and time passes quickly.
type simulation struct {
	t        *testing.T
	rt       *rapid.T
	cluster  client.WithWatch
	now      time.Time // as the API server's clock has it
	replicas []*replica
	calm     bool // nothing goes wrong any more
}

// replica is a Keeper with a clock of its own.
type replica struct {
	keeper      *Keeper
	ahead       time.Duration
	partitioned bool
	looking     bool
}

func newSimulation(t *testing.T, rt *rapid.T) *simulation {
	s := &simulation{t: t, rt: rt, cluster: cluster(t, interceptor.Funcs{}, installed()...), now: epoch}
	for range rapid.IntRange(1, 4).Draw(rt, "replicas") {
		s.replicas = append(s.replicas, s.start())
	}
	return s
}

// start starts a replica whose clock is up to half of what is allowed ahead or behind: two of them are not
// further apart than that.
func (s *simulation) start() *replica {
	r := &replica{ahead: time.Duration(rapid.Int64Range(-int64(skew)/2, int64(skew)/2).Draw(s.rt, "ahead"))}
	trouble := func(do func() error) error { return s.trouble(r, do) }
	r.keeper = NewKeeper(interceptor.NewClient(s.cluster, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return trouble(func() error { return c.Get(ctx, key, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return trouble(func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return trouble(func() error { return c.Patch(ctx, o, p, opts...) })
		},
	}), options, logr.Discard(), prometheus.NewRegistry())
	return r
}

var errNetwork = errors.New("network")

// trouble does a call, or not, or does it and loses the answer; and another replica may look before it or after.
func (s *simulation) trouble(r *replica, do func() error) error {
	if s.calm {
		return do()
	}
	switch what := rapid.IntRange(0, 19).Draw(s.rt, "trouble"); {
	case r.partitioned || what == 0:
		return errNetwork
	case what == 1:
		return errors.Join(do(), errNetwork)
	case what == 2:
		s.look(s.pick())
		return do()
	case what == 3:
		defer func() { s.look(s.pick()) }()
		return do()
	}
	return do()
}

func (s *simulation) pick() *replica { return rapid.SampledFrom(s.replicas).Draw(s.rt, "replica") }

func (s *simulation) look(r *replica) {
	if r.looking {
		return
	}
	r.looking = true
	_ = r.keeper.look(context.Background(), s.now.Add(r.ahead))
	r.looking = false
	s.check()
}

// check holds that whoever is ready is trusted.
func (s *simulation) check() {
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(s.t, s.cluster.Get(context.Background(), types.NamespacedName{Name: options.Configuration}, &configuration))
	trusted := parseBundle(configuration.Webhooks[1].ClientConfig.CABundle)
	for i, r := range s.replicas {
		if r.keeper.Ready(s.now.Add(r.ahead)) == nil && !trusted.trusts(r.keeper.leaf.Load(), serverName, s.now) {
			s.rt.Fatalf("replica %d is ready with a leaf that is not trusted, at %s", i, s.now)
		}
	}
}

// secret changes the Secret as an operator does.
func (s *simulation) secret(change func(*corev1.Secret)) {
	var secret corev1.Secret
	require.NoError(s.t, s.cluster.Get(context.Background(), options.Secret, &secret))
	change(&secret)
	require.NoError(s.t, s.cluster.Update(context.Background(), &secret))
}

// step does one thing at random.
func (s *simulation) step() {
	switch rapid.IntRange(0, 15).Draw(s.rt, "step") {
	case 0, 1, 2:
		s.now = s.now.Add(rapid.SampledFrom([]time.Duration{
			time.Second, resync, settle, time.Hour, 24 * time.Hour, leafLife / 3, leafLife, authorityLife / 3,
		}).Draw(s.rt, "time"))
		s.check()
	case 3:
		s.replicas[rapid.IntRange(0, len(s.replicas)-1).Draw(s.rt, "crashes")] = s.start()
	case 4:
		r := s.pick()
		r.partitioned = !r.partitioned
	case 5:
		s.secret(func(secret *corev1.Secret) { secret.Annotations = map[string]string{RotateAnnotation: ""} })
	case 6:
		other, err := NewAuthority(s.now)
		require.NoError(s.t, err)
		s.secret(func(secret *corev1.Secret) {
			secret.Data = map[string][]byte{certificateKey: other.certificates.pem(), keyKey: other.keyPEM}
		})
	case 7:
		s.secret(func(secret *corev1.Secret) { secret.Data = map[string][]byte{} })
	case 8:
		var before map[string][]byte
		s.secret(func(secret *corev1.Secret) {
			before, secret.Data = secret.Data, map[string][]byte{certificateKey: []byte("garbage")}
		})
		s.look(s.pick())
		s.secret(func(secret *corev1.Secret) { secret.Data = before })
	default:
		s.look(s.pick())
	}
}

// recover lets nothing go wrong any more, and holds that all are ready soon.
func (s *simulation) recover() {
	s.calm = true
	for round := range 4 {
		for _, r := range s.replicas {
			s.look(r)
		}
		if round == 1 {
			for i, r := range s.replicas {
				require.NoError(s.t, r.keeper.Ready(s.now.Add(r.ahead)), "replica %d", i)
			}
		}
		s.now = s.now.Add(settle)
	}
}

// TestWhoeverIsReadyIsTrustedWhateverHappens runs several replicas whose clocks differ, whose calls fail, or whose
// answers get lost, or who are overtaken by others in the midst of a look, while an operator replaces, empties and
// spoils the Secret.
func TestWhoeverIsReadyIsTrustedWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSimulation(t, rt)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			s.step()
		}
		s.recover()

		writes := s.versions()
		for _, r := range s.replicas {
			s.look(r)
		}
		require.Equal(t, writes, s.versions(), "nobody undoes another's work")

		s.now = s.now.Add(overlap + grace + 2*skew)
		s.recover()
		var secret corev1.Secret
		require.NoError(t, s.cluster.Get(context.Background(), options.Secret, &secret))
		stored, err := parseState(secret.Data)
		require.NoError(t, err)
		_, text := bundles(t, s.cluster)
		ours := parseBundle(text)
		require.True(t, ours.hasAll(stored.known()), "in whatever order")
		require.Len(t, ours, len(stored.current.certificates)+len(stored.retired), "what is retired goes at its time")
	})
}

// versions are those of both objects.
func (s *simulation) versions() [2]string {
	var secret corev1.Secret
	require.NoError(s.t, s.cluster.Get(context.Background(), options.Secret, &secret))
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(s.t, s.cluster.Get(context.Background(), types.NamespacedName{Name: options.Configuration}, &configuration))
	return [2]string{secret.ResourceVersion, configuration.ResourceVersion}
}
