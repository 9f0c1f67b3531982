package shards

import (
	"fmt"
	"math"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// shardInfix stands between the lease's name and a shard's number.
	shardInfix = "-shard-"
	// presenceInfix stands between the lease's name and the hash of a replica's identity, which need not be a name.
	presenceInfix = "-replica-"
	presenceBytes = 8
	// countAnnotation says on a presence by how many shards the replica splits the VPAs.
	countAnnotation = "sartor.dev/shards"
)

// shardName is the name of the shard's lease.
func (o Options) shardName(shard int) string {
	if o.Count == 1 {
		return o.Name
	}
	return fmt.Sprintf("%s%s%d", o.Name, shardInfix, shard)
}

// presenceName is the name of the lease that says that the replica is there.
func (o Options) presenceName(identity string) string {
	return fmt.Sprintf("%s%s%0*x", o.Name, presenceInfix, 2*presenceBytes, hash(identity))
}

// held is the lease as it is written to take or renew it; old may be nil. What others have added to it stays.
func (o Options) held(name string, old *coordinationv1.Lease, now time.Time) *coordinationv1.Lease {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: name}}
	if old != nil {
		lease = old.DeepCopy()
	}
	spec, at := &lease.Spec, metav1.NewMicroTime(now)
	if holder(lease) != o.Identity {
		spec.AcquireTime = &at
		if old != nil {
			spec.LeaseTransitions = new(transitions(old) + 1)
		} else {
			spec.LeaseTransitions = new(int32)
		}
	}
	spec.HolderIdentity = new(o.Identity)
	spec.LeaseDurationSeconds = new(int32(min(math.Ceil(o.LeaseDuration.Seconds()), math.MaxInt32)))
	spec.RenewTime = &at
	return lease
}

// presence is the lease that says that this replica is there; old may be nil.
func (o Options) presence(old *coordinationv1.Lease, now time.Time) *coordinationv1.Lease {
	lease := o.held(o.presenceName(o.Identity), old, now)
	if lease.Annotations == nil {
		lease.Annotations = map[string]string{}
	}
	lease.Annotations[countAnnotation] = strconv.Itoa(o.Count)
	return lease
}

// released is the lease as its holder writes it when it gives it up: free, and short in case that somebody waits.
func released(old *coordinationv1.Lease, now time.Time) *coordinationv1.Lease {
	lease, at := old.DeepCopy(), metav1.NewMicroTime(now)
	lease.Spec.HolderIdentity = new(string)
	lease.Spec.LeaseDurationSeconds = new(int32(1))
	lease.Spec.AcquireTime, lease.Spec.RenewTime = &at, &at
	return lease
}

func holder(lease *coordinationv1.Lease) string {
	if h := lease.Spec.HolderIdentity; h != nil {
		return *h
	}
	return ""
}

func transitions(lease *coordinationv1.Lease) int32 {
	if t := lease.Spec.LeaseTransitions; t != nil && *t < math.MaxInt32 {
		return *t
	}
	return 0
}

// countOf is the count of shards that a presence says; 0 if it says none.
func countOf(lease *coordinationv1.Lease) int {
	count, err := strconv.Atoi(lease.Annotations[countAnnotation])
	if err != nil || count < 1 {
		return 0
	}
	return count
}
