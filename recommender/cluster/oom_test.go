package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input/oom"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/quantity"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// drain returns what upstream's observer has found, as our OOMs.
func drain(observer oom.Observer) []OOM {
	var ooms []OOM
	for {
		select {
		case info := <-observer.GetObservedOomsChannel():
			id := info.ContainerID
			ooms = append(ooms, OOM{
				Container: usage.Container{Namespace: id.Namespace, Pod: id.PodName, Name: id.ContainerName},
				Memory:    usage.Amount(info.Memory), At: info.Timestamp,
			})
		default:
			return ooms
		}
	}
}

func TestOOMsAreThoseThatUpstreamSees(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		upstream, ours := oom.NewObserver(), newPods()
		var before *corev1.Pod
		for range rapid.IntRange(2, 8).Draw(t, "sightings") {
			now := anyPod(t)
			if before != nil {
				upstream.OnUpdate(before, now)
			}
			if rapid.Bool().Draw(t, "re-listed") {
				ours.replace([]*sighting{ours.eyes.see(now)})
			} else {
				ours.set(ours.eyes.see(now))
			}
			before = now
		}
		want := drain(upstream)
		changes, _ := ours.take()
		require.Equal(t, want, changes.OOMs)
		found += len(want)
	})
	require.Positive(t, found, "a property of nothing")
}

// anyPod draws a pod whose containers are in states that the kubelet may report, in any order.
func anyPod(t *rapid.T) *corev1.Pod {
	pod := podOfShop()
	pod.Spec.Containers = nil
	for _, name := range []string{"shop", "istio-proxy"} {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: anyRequest(t)}})
		if rapid.IntRange(0, 9).Draw(t, "no status") == 0 {
			continue
		}
		status := corev1.ContainerStatus{
			Name: name, RestartCount: rapid.Int32Range(0, 2).Draw(t, "restarts"),
			State: anyState(t), LastTerminationState: anyState(t),
		}
		if rapid.Bool().Draw(t, "resources in status") {
			status.Resources = &corev1.ResourceRequirements{Requests: anyRequest(t)}
		}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
	}
	pod.Status.ContainerStatuses = rapid.Permutation(pod.Status.ContainerStatuses).Draw(t, "statuses")
	return pod
}

func anyRequest(t *rapid.T) corev1.ResourceList {
	memory := rapid.SampledFrom([]string{"", "64Mi", "1G", "100m"}).Draw(t, "memory")
	if memory == "" {
		return nil
	}
	return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourceCPU: resource.MustParse("1")}
}

func anyState(t *rapid.T) corev1.ContainerState {
	switch rapid.IntRange(0, 3).Draw(t, "state") {
	case 0:
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	case 1:
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	case 2:
		return corev1.ContainerState{}
	}
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason:     rapid.SampledFrom([]string{"OOMKilled", "OOMKilled", "Error", ""}).Draw(t, "reason"),
		FinishedAt: metav1.NewTime(time.Unix(rapid.Int64Range(1, 9).Draw(t, "finished"), 0)),
	}}
}

// podOfShop is a started pod of the Deployment shop.
func podOfShop() *corev1.Pod {
	controls := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "store", Name: "shop-7d9f8b6c5-x2x4z", UID: "pod", CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0)),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "shop-7d9f8b6c5", UID: "replicaset", Controller: &controls}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop"}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "shop", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
}

func TestAContainerThatIsResizedInPlaceWasKilledAtWhatItHad(t *testing.T) {
	p := newPods()
	pod := podOfShop()
	pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	pod.Status.ContainerStatuses[0].Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}}
	p.set(p.eyes.see(pod))
	pod = pod.DeepCopy()
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", FinishedAt: metav1.NewTime(time.Unix(5, 0))}}
	p.set(p.eyes.see(pod))
	p.set(p.eyes.see(pod))

	changes, _ := p.take()
	require.Equal(t, []OOM{{
		Container: usage.Container{Namespace: "store", Pod: "shop-7d9f8b6c5-x2x4z", Name: "shop"},
		Memory:    2 << 30, At: time.Unix(5, 0).UTC(),
	}}, changes.OOMs, "once, however often it is seen")
	changes, _ = p.take()
	require.Empty(t, changes.OOMs)
}

func TestEvictionsAreReadAsUpstreamReadsThem(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		event := anyEviction(t)
		upstream := oom.NewObserver()
		upstream.OnEvent(event)
		want := drain(upstream)
		for i := range want {
			want[i].Evicted = true
			want[i].Memory = min(max(want[i].Memory, 0), usage.MaxAmount)
		}
		require.Equal(t, want, oomsOfEviction(event))
		found += len(want)
	})
	require.Positive(t, found, "a property of nothing")
}

func anyEviction(t *rapid.T) *corev1.Event {
	list := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{UID: "event", CreationTimestamp: metav1.NewTime(time.Unix(7, 0))},
		Reason:         list("reason", "Evicted", "Evicted", "Evicted", "Killing"),
		InvolvedObject: corev1.ObjectReference{Kind: list("kind", "Pod", "Pod", "Pod", "Node"), Namespace: "store", Name: "shop-1"},
	}
	event.Annotations = map[string]string{offendingContainers: "shop,istio-proxy", offendingContainersUsage: "1Gi,100Ki", starvedResource: "memory,memory"}
	if rapid.Bool().Draw(t, "odd") {
		event.Annotations = map[string]string{
			offendingContainers:      list("containers", "shop", "shop,istio-proxy", "", ","),
			offendingContainersUsage: list("usage", "1Gi", "1Gi,100Ki", "", "-5", "lots", "1e30", "1Gi,lots"),
			starvedResource:          list("starved", "memory", "memory,memory", "ephemeral-storage,memory", "", "memory,"),
		}
	}
	delete(event.Annotations, list("missing", "none", offendingContainers, offendingContainersUsage, starvedResource))
	return event
}

func FuzzAnEvictionOfAnyWordsIsReadAsUpstreamReadsIt(f *testing.F) {
	f.Add("shop,istio-proxy", "1Gi,5Mi", "memory,memory")
	f.Add("shop", "1e99", "memory")
	f.Add(",", ",", ",")
	f.Fuzz(func(t *testing.T, containers, used, starved string) {
		event := &corev1.Event{Reason: "Evicted", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "shop-1"}}
		event.Annotations = map[string]string{offendingContainers: containers, offendingContainersUsage: used, starvedResource: starved}
		for part := range strings.SplitSeq(used, ",") {
			if _, err := quantity.Parse([]byte(part)); errors.Is(err, quantity.ErrTooLong) {
				t.Skip() // left out, where upstream reads it for minutes
			}
		}
		upstream := oom.NewObserver()
		upstream.OnEvent(event)
		want, got := drain(upstream), oomsOfEviction(event)
		require.Len(t, got, len(want))
		for i := range got {
			require.Equal(t, want[i].Container, got[i].Container)
			require.GreaterOrEqual(t, got[i].Memory, usage.Amount(0))
			require.LessOrEqual(t, got[i].Memory, usage.MaxAmount)
		}
	})
}

func TestAnEvictionWhoseUsageTakesMinutesToReadIsLeftOut(t *testing.T) {
	event := &corev1.Event{Reason: evicted, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "shop-1"}}
	event.Annotations = map[string]string{offendingContainers: "a,b,c", offendingContainersUsage: "1e-100000000," + strings.Repeat("9", 1<<20) + ",1Gi", starvedResource: "memory,memory,memory"}
	began := time.Now()
	ooms := oomsOfEviction(event)
	require.Less(t, time.Since(began), time.Second)
	require.Len(t, ooms, 1)
	require.Equal(t, "c", ooms[0].Container.Name)
}

func TestAnEvictionCountsOnce(t *testing.T) {
	var found []OOM
	e := newEvictions(func(ooms []OOM) { found = append(found, ooms...) })
	event := func(uid types.UID) *corev1.Event {
		return &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{UID: uid, CreationTimestamp: metav1.NewTime(time.Unix(7, 0)), Annotations: map[string]string{
				offendingContainers: "shop", offendingContainersUsage: "1Gi", starvedResource: "memory",
			}},
			Reason: "Evicted", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "store", Name: string(uid)},
		}
	}
	e.replace([]*corev1.Event{event("a"), event("b")}) // At start: as upstream, those of the last hour count.
	require.Len(t, found, 2)
	e.set(event("b")) // Modified.
	e.set(event("c"))
	require.Len(t, found, 3)
	e.replace([]*corev1.Event{event("c"), event("d")}) // The watch began anew.
	require.Len(t, found, 4)
	require.Equal(t, "d", found[3].Container.Pod)
	e.drop(event("c")) // The API server forgets after an hour, and so do we.
	e.replace(nil)
	require.Empty(t, e.seen)
}
