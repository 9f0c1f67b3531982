package shards

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func eyesWith(count int, leases ...*coordinationv1.Lease) *eyes {
	e := &eyes{o: options("me", count), sights: map[string]*sight{}, looked: noon}
	seen := map[string]*coordinationv1.Lease{}
	for _, l := range leases {
		seen[l.Name] = l
	}
	e.look(seen, noon)
	return e
}

func leaseOf(name, holder string, seconds int32) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds}}
}

func TestALeaderThatHasJustGoneIsFollowedByItsLikeFirst(t *testing.T) {
	for holder, seconds := range map[string]int32{"leader": 15, "": 1} {
		e := eyesWith(3, leaseOf("vpa-recommender-lease", holder, seconds))
		end := noon.Add(time.Duration(seconds)*time.Second + 2*retryPeriod)
		require.True(t, e.led(end.Add(-time.Nanosecond)))
		require.False(t, e.led(end))
	}
	require.False(t, eyesWith(3).led(noon))
	require.False(t, eyesWith(1, leaseOf("vpa-recommender-lease", "leader", 15)).led(noon), "it is its own lease")
}

func TestAnotherSplitMayBeAtWorkWhileItsReplicaIsNewOrHoldsAShard(t *testing.T) {
	rival := func(since time.Duration) []replica {
		return []replica{{"rival", 5, noon.Add(-since)}}
	}
	shard := leaseOf("vpa-recommender-lease-shard-4", "rival", 15)
	require.True(t, eyesWith(3).contested(rival(leaseDuration-1), noon))
	require.False(t, eyesWith(3).contested(rival(leaseDuration), noon))
	require.True(t, eyesWith(3, shard).contested(rival(time.Hour), noon))
	require.False(t, eyesWith(3, shard).contested(rival(time.Hour), noon.Add(leaseDuration)), "it has lost it")
	require.False(t, eyesWith(5, shard).contested(rival(time.Hour), noon), "it is like us")
}

// FuzzALeaseFromOutside shows leases as anybody may write them. Nothing that is held may be taken.
func FuzzALeaseFromOutside(f *testing.F) {
	f.Add("vpa-recommender-lease-shard-1", "other", int32(15), "2")
	f.Add("vpa-recommender-lease", "", int32(-1), "")
	f.Add(options("", 2).presenceName("other"), "other", int32(2147483647), "-9")
	f.Add("vpa-recommender-lease-shard-99999999999999999999", "\x00", int32(0), "99999999999999999999")
	f.Fuzz(func(t *testing.T, name, holder string, seconds int32, count string) {
		lease := leaseOf(name, holder, seconds)
		lease.Annotations = map[string]string{countAnnotation: count}
		mine := eyesWith(2).o.presence(nil, noon)
		s := &Shards{o: options("me", 2), owned: newOwnership(2, func() time.Time { return noon }, discard),
			eyes: *eyesWith(2, lease, mine), yielding: -1}
		v := s.view(noon)
		for _, shard := range decide(v).take {
			require.False(t, name == s.o.shardName(shard) && holder != "" && holder != "me")
		}
		s.eyes.firstEnd(noon)
		s.eyes.litter(noon)
		old := lease.DeepCopy()
		require.Equal(t, "me", *s.o.held(name, lease, noon).Spec.HolderIdentity)
		require.Empty(t, *released(lease, noon).Spec.HolderIdentity)
		require.Equal(t, old, lease, "what was seen is not changed")
	})
}
