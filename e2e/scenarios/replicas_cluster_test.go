package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

const (
	lease         = "vpa-recommender-lease"
	leaseDuration = 15 * time.Second
	// retries are how long the second may take to notice that the lease has run out, on a busy machine.
	retries = 10 * time.Second
)

// secondReplica: one leads and the other writes nothing; when the first is killed the second leads, and nothing that
// is published moves.
func (p *programs) secondReplica(t *testing.T) {
	// It is young, so that every sample narrows its bounds and is published.
	deploy(t, p.cluster, "replicas", service{name: "watched", cpu: "450m", memory: "900Mi"})
	began := time.Now()
	first, err := p.ours.StartReplica(t.Context(), "recommender-a", fast...)
	require.NoError(t, err)
	p.holder(t, "")
	second, err := p.ours.StartReplica(t.Context(), "recommender-b", fast...)
	require.NoError(t, err)
	defer stop(t, second)

	p.written(t, began, 3)
	leader, before := p.holder(t, ""), p.published.last()
	require.NoError(t, first.Kill())
	killed := time.Now()
	p.holder(t, leader)
	require.Less(t, time.Since(killed), leaseDuration+retries)
	p.written(t, killed, 2)

	p.published.holds(t, before, old...)
	writers := p.writers(t, began)
	require.Len(t, writers, 2, "each replica writes with its own token")
	require.True(t, writers[0].last.Before(killed) && writers[1].first.After(killed),
		"the second writes from the first's end on, and not before: %+v, killed %v", writers, killed)
}

// holder waits until somebody other than not holds the lease, and says who.
func (p *programs) holder(t *testing.T, not string) string {
	t.Helper()
	var holder string
	require.NoError(t, poll.Within(t.Context(), time.Minute, 100*time.Millisecond, func(ctx context.Context) error {
		var l coordinationv1.Lease
		if err := story.Get(ctx, p.cluster, &l, "-n", install.Namespace, "get", "lease", lease); err != nil {
			return err
		}
		if l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" || *l.Spec.HolderIdentity == not {
			return errors.New("nobody new holds the lease")
		}
		holder = *l.Spec.HolderIdentity
		return nil
	}))
	return holder
}

// written waits until n statuses have been written since a time.
func (p *programs) written(t *testing.T, since time.Time, n int) {
	t.Helper()
	eventually(t, "statuses are written", func(context.Context) error {
		if got := len(p.statusWrites(t, since)); got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
}

// statusWrites are those of VPAs' statuses that succeeded, of whoever wrote them.
func (p *programs) statusWrites(t *testing.T, since time.Time) []cluster.Write {
	all, err := p.cluster.Writes()
	require.NoError(t, err)
	var out []cluster.Write
	for _, w := range all {
		if w.Resource == "verticalpodautoscalers" && w.Code < 300 && w.At.After(since) {
			out = append(out, w)
		}
	}
	return out
}

// writer is one that wrote statuses, and when.
type writer struct {
	credential  string
	first, last time.Time
}

// writers are all that wrote since a time, in the order of their first writes.
func (p *programs) writers(t *testing.T, since time.Time) []writer {
	var all []writer
	index := map[string]int{}
	for _, w := range p.statusWrites(t, since) {
		i, ok := index[w.Credential]
		if !ok {
			i = len(all)
			index[w.Credential] = i
			all = append(all, writer{credential: w.Credential, first: w.At})
		}
		all[i].last = w.At
	}
	return all
}

// apiServerCrash: while the API server is gone the recommender lives, and when it is back, it goes on.
func (p *programs) apiServerCrash(t *testing.T) {
	recommender := p.startOurs(t)
	defer stop(t, recommender)
	afterLoops(t, recommender, 2)
	before := p.published.last()

	require.NoError(t, p.cluster.CrashAPIServer())
	afterLoops(t, recommender, 3) // each of them in vain
	require.NoError(t, p.cluster.StartAPIServer(t.Context()))
	p.written(t, time.Now(), 2)
	p.published.holds(t, before, old...)

	// Its watches have come back, too: it learns of what is new, and says something of it.
	deploy(t, p.cluster, "recovered", service{name: "recovered", cpu: "450m", memory: "900Mi"})
	eventually(t, "the new VPA has a status", func(context.Context) error {
		if r, ok := p.published.last()["recovered"]; !ok || len(r.vpa.Status.Conditions) == 0 {
			return errors.New("nothing is said of it")
		}
		return nil
	})
}
