package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

func TestAPodIsToldWithItsTopmostController(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	pod := started("shop-1-a", "shop-1")
	pod.Annotations = map[string]string{policy.DeclaredAnnotation: `{"shop":{"limits":{"cpu":"2"}}}`, policy.UpdatesAnnotation: "Pod resources updated by shop"}
	pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}}
	pod.Spec.InitContainers = []corev1.Container{{Name: "proxy"}} // native sidecars are here, too
	c.see(pod)

	changes := c.next(t)
	require.Len(t, changes.Pods, 1)
	got := changes.Pods[0]
	require.Equal(t, types.NamespacedName{Namespace: "store", Name: "shop-1-a"}, got.Name)
	require.Equal(t, target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}, *got.Controller)
	require.Equal(t, int64(1e9), got.Created)
	require.Equal(t, []string{"shop"}, got.Shape.Containers)
	require.EqualValues(t, 2000, got.Shape.Pod.Containers[0].First.Limits[usage.CPU].Amount(), "what was declared, not what the webhook made of it")
	require.Equal(t, Changes{}, c.next(t), "told once")
}

func TestOnlyWhatMattersChangesAPod(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	h.deploy("till-1", "till")
	c := clusterOf(h)
	pod := started("shop-1-a", "shop-1")
	c.see(pod)
	first := c.next(t).Pods[0]
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		told   bool
	}{
		"labels":            {func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }, false},
		"a restart":         {func(p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount++ }, false},
		"a terminal phase":  {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false},
		"another container": {func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "b"}) }, true},
		"another owner":     {func(p *corev1.Pod) { p.OwnerReferences[0] = controlledBy("ReplicaSet", "till-1") }, true},
		"created again":     {func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(time.Unix(2e9, 0)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			changed := pod.DeepCopy()
			tc.change(changed)
			c.see(changed)
			require.Equal(t, tc.told, len(c.next(t).Pods) == 1)
			c.see(pod)
			require.Equal(t, tc.told, len(c.next(t).Pods) == 1)
			require.Equal(t, "shop", first.Controller.Name, "what was told is not changed")
		})
	}
}

func TestAPodThatIsGoneIsToldOnceIfItWasKnown(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	a, b := started("shop-1-a", "shop-1"), started("shop-1-b", "shop-1")
	c.see(a, b)
	c.next(t)

	c.lose(a)
	c.see(started("shop-1-c", "shop-1"))
	c.lose(started("shop-1-c", "shop-1"))
	changes := c.next(t)
	require.Equal(t, []types.NamespacedName{{Namespace: "store", Name: "shop-1-a"}}, changes.Gone, "c was never told")
	require.Empty(t, changes.Pods)

	c.lose(b)
	again := b.DeepCopy()
	again.CreationTimestamp = metav1.NewTime(time.Unix(2e9, 0))
	c.see(again)
	changes = c.next(t)
	require.Empty(t, changes.Gone, "another one has its name")
	require.Equal(t, int64(2e9), changes.Pods[0].Created)

	again.OwnerReferences = nil
	c.see(again)
	require.Len(t, c.next(t).Gone, 1, "orphans belong to nobody")
	require.Equal(t, Changes{}, c.next(t))
	require.Empty(t, c.pods.owners)
}

func TestAReListFindsWhatWentMissing(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"), started("shop-1-b", "shop-1"))
	c.next(t)

	killed := started("shop-1-b", "shop-1")
	killed.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}}
	c.pods.replace([]*sighting{c.pods.eyes.see(killed), c.pods.eyes.see(started("shop-1-c", "shop-1"))})
	changes := c.next(t)
	require.Equal(t, []types.NamespacedName{{Namespace: "store", Name: "shop-1-a"}}, changes.Gone)
	require.Equal(t, []string{"shop-1-c"}, names(changes.Pods))
	require.Len(t, changes.OOMs, 1)
	select {
	case <-c.PodsSignal():
	default:
		t.Fatal("an OOM without a signal")
	}
}

// TestChangesTellTheCluster plays random events, and a reader who knows only what changes tell must
// end up with the pods that there are.
func TestChangesTellTheCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHerd()
		c := clusterOf(h)
		are := map[string]*corev1.Pod{}
		told := map[string]*StartedPod{}
		read := func() {
			changes := c.next(t)
			for _, p := range changes.Pods {
				told[p.Name.Name] = p
			}
			for _, name := range changes.Gone {
				require.Contains(t, told, name.Name, "gone, and never told")
				delete(told, name.Name)
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "pod")
			owner := rapid.SampledFrom([]string{"shop-1", "shop-2", "till-1", ""}).Draw(t, "owner")
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0, 1:
				are[name] = started(name, owner)
				are[name].CreationTimestamp = metav1.NewTime(time.Unix(rapid.Int64Range(1, 2).Draw(t, "created"), 0))
				if owner == "" {
					are[name].OwnerReferences = nil
				}
				c.see(are[name])
			case 2:
				c.lose(started(name, "any"))
				delete(are, name)
			case 3:
				var all []*sighting
				for _, pod := range are {
					all = append(all, c.pods.eyes.see(pod))
				}
				c.pods.replace(all)
			case 4:
				if owner != "" {
					h.deploy(owner, rapid.SampledFrom([]string{"shop", "till"}).Draw(t, "deployment"))
					c.regrouped.Store(true)
				}
			case 5:
				read()
			}
		}
		read()
		requireTold(t, h, are, told)
	})
}

func requireTold(t require.TestingT, h *herd, are map[string]*corev1.Pod, told map[string]*StartedPod) {
	want := map[string]string{}
	for name, pod := range are {
		if owner := metav1.GetControllerOf(pod); owner != nil && len(h.owners[owner.Name]) > 0 {
			want[name] = fmt.Sprint(h.owners[owner.Name][0].Name, pod.CreationTimestamp.Unix())
		}
	}
	got := map[string]string{}
	for name, p := range told {
		got[name] = fmt.Sprint(p.Controller.Name, p.Created)
	}
	require.Equal(t, want, got)
}

func TestAReplicaThatNobodyAsksKeepsNoMoreThanTheLastOOMs(t *testing.T) {
	p := newPods()
	for i := range maxOOMs + 5 {
		p.addOOMs([]OOM{{Memory: 1, At: time.Unix(int64(i), 0)}})
	}
	changes, lost := p.take()
	require.Len(t, changes.OOMs, maxOOMs)
	require.Equal(t, 5, lost)
	require.Equal(t, int64(5), changes.OOMs[0].At.Unix(), "the oldest go first")
}
