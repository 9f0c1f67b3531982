package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// herd is what owns pods, in place of the API server and its cache: it answers reads of metadata by
// the owner's name. What it does not have it does not find.
type herd struct {
	client.Reader
	owners map[string][]metav1.OwnerReference
	uids   map[string]types.UID
	err    error
	reads  int
}

func (h *herd) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	h.reads++
	owners, ok := h.owners[key.Name]
	switch {
	case h.err != nil:
		return h.err
	case !ok:
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	object.SetOwnerReferences(owners)
	object.SetUID(h.uids[key.Name])
	return nil
}

// Scalable says that nothing but what Kubernetes itself has can be scaled.
func (h *herd) Scalable(context.Context, schema.GroupVersionKind) (bool, error) { return false, nil }

func newHerd() *herd {
	return &herd{owners: map[string][]metav1.OwnerReference{}, uids: map[string]types.UID{}}
}

// deploy makes ReplicaSet name one of Deployment of.
func (h *herd) deploy(name, of string) {
	h.owners[of] = nil
	h.owners[name] = []metav1.OwnerReference{controlledBy("Deployment", of)}
}

func controlledBy(kind, name string) metav1.OwnerReference {
	controls := true
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: kind, Name: name, Controller: &controls}
}

func clusterOf(h *herd) *Cluster {
	return New(nil, target.NewResolver(h, h, h), DefaultRecommender, logr.Discard())
}

// started is a pod of ReplicaSet owner.
func started(name, owner string) *corev1.Pod {
	pod := podOfShop()
	pod.Name = name
	pod.OwnerReferences = []metav1.OwnerReference{controlledBy("ReplicaSet", owner)}
	return pod
}

func (c *Cluster) see(pods ...*corev1.Pod) {
	for _, pod := range pods {
		c.pods.set(c.pods.eyes.see(pod))
	}
}

func (c *Cluster) lose(pods ...*corev1.Pod) {
	for _, pod := range pods {
		c.pods.drop(c.pods.eyes.see(pod))
	}
}

func (c *Cluster) next(t require.TestingT) Changes {
	changes, err := c.PodChanges(context.Background())
	require.NoError(t, err)
	return changes
}

func names(pods []*StartedPod) []string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Name.Name)
	}
	return names
}

func TestAPodIsToldWithItsTopmostController(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	pod := started("shop-1-a", "shop-1")
	pod.Annotations = map[string]string{policy.DeclaredAnnotation: `{"shop":{"limits":{"cpu":"2"}}}`}
	pod.Spec.InitContainers = []corev1.Container{{Name: "proxy"}} // native sidecars are here, too
	c.see(pod)

	changes := c.next(t)
	require.Len(t, changes.Pods, 1)
	got := changes.Pods[0]
	require.Equal(t, types.NamespacedName{Namespace: "store", Name: "shop-1-a"}, got.Name)
	require.Equal(t, target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}, *got.Controller)
	require.Equal(t, int64(1e9), got.Created)
	require.Equal(t, []string{"shop"}, got.Shape.Containers)
	limit := got.Shape.Declared["shop"].Limits[corev1.ResourceCPU]
	require.Equal(t, "2", limit.String(), "what was declared, not what the webhook made of it")
	require.Equal(t, Changes{}, c.next(t), "told once")
}

func TestPodsOfATemplateShareWhatTheyHaveInCommon(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	h.deploy("shop-2", "shop")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"), started("shop-1-b", "shop-1"), started("shop-2-a", "shop-2"))
	other := started("shop-2-b", "shop-2")
	other.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	c.see(other)

	pods := c.next(t).Pods
	require.Equal(t, []string{"shop-1-a", "shop-1-b", "shop-2-a", "shop-2-b"}, names(pods), "by name")
	for _, p := range pods {
		require.Same(t, pods[0].Controller, p.Controller)
	}
	require.Same(t, pods[0].Shape, pods[1].Shape)
	require.Same(t, pods[0].Shape, pods[2].Shape)
	require.NotSame(t, pods[0].Shape, pods[3].Shape)
}

func TestAShapeTellsWhatThePodTells(t *testing.T) {
	var e eyes
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyTemplate(t), anyTemplate(t)
		one, other := e.see(a).shape, e.see(b).shape
		require.True(t, sameShape(newShape(a), *one))
		if one != other {
			return
		}
		require.True(t, sameShape(newShape(a), newShape(b)), "one pointer for two shapes")
	})
}

func TestAnInitContainerCanCostAPodItsClass(t *testing.T) {
	var e eyes
	all := corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}}
	pod := podOfShop()
	pod.Spec.Containers[0].Resources = all
	pod.Spec.InitContainers = []corev1.Container{{Name: "proxy", Resources: all}}
	require.True(t, e.see(pod).shape.Guaranteed)
	pod.Spec.InitContainers[0].Resources = corev1.ResourceRequirements{}
	require.False(t, e.see(pod).shape.Guaranteed)
}

func sameShape(a, b Shape) bool {
	first, _ := a.Declared.Annotation()
	second, _ := b.Declared.Annotation()
	return slices.Equal(a.Containers, b.Containers) && a.Guaranteed == b.Guaranteed && first == second
}

// anyTemplate draws few and similar pods, so that two are often alike, or almost.
func anyTemplate(t *rapid.T) *corev1.Pod {
	pod := podOfShop()
	pod.Annotations = rapid.SampledFrom([]map[string]string{
		nil, {policy.DeclaredAnnotation: `{"a":{"requests":{"cpu":"1"}}}`}, {policy.DeclaredAnnotation: `{`},
	}).Draw(t, "annotations")
	containers := func(label string) (list []corev1.Container) {
		for range rapid.IntRange(0, 2).Draw(t, label) {
			list = append(list, corev1.Container{
				Name:      rapid.SampledFrom([]string{"a", "ab", "b"}).Draw(t, "name"),
				Resources: corev1.ResourceRequirements{Requests: anyList(t), Limits: anyList(t)},
			})
		}
		return list
	}
	pod.Spec.Containers, pod.Spec.InitContainers = containers("containers"), containers("init containers")
	return pod
}

func anyList(t *rapid.T) corev1.ResourceList {
	list := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, "nvidia.com/gpu"} {
		if text := rapid.SampledFrom([]string{"", "1", "1000m", "1k", "1Ki"}).Draw(t, string(name)); text != "" {
			list[name] = resource.MustParse(text)
		}
	}
	return list
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

func TestAPodWhoseOwnersCannotBeReadComesLater(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	h.err = errors.New("no route to host")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"), started("shop-1-b", "shop-1"), started("till-1-a", "till-1"))
	changes := c.next(t)
	require.Empty(t, changes.Pods)
	require.Equal(t, 3, changes.Waiting)

	c.lose(started("shop-1-b", "shop-1"))
	h.err = nil
	changes = c.next(t)
	require.Equal(t, []string{"shop-1-a"}, names(changes.Pods))
	require.Equal(t, 1, changes.Waiting, "there is no such ReplicaSet")
	h.deploy("till-1", "till")
	changes = c.next(t)
	require.Equal(t, []string{"till-1-a"}, names(changes.Pods))
	require.Zero(t, changes.Waiting)
}

func TestNothingIsLostWhenTheTimeIsUp(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.PodChanges(ended)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"shop-1-a"}, names(c.next(t).Pods))
}

func TestAnOwnerIsAskedOnceForAllItsPods(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	for i := range 100 {
		c.see(started(fmt.Sprintf("shop-1-%d", i), "shop-1"))
	}
	require.Len(t, c.next(t).Pods, 100)
	require.Equal(t, 2, h.reads, "the ReplicaSet and the Deployment")
	c.see(started("shop-1-z", "shop-1"))
	require.Len(t, c.next(t).Pods, 1)
	require.Equal(t, 2, h.reads)
}

func TestPodsWhoseControllerNoVPACanNameAreNotTold(t *testing.T) {
	h := newHerd()
	c := clusterOf(h)
	mirror := started("etcd-node-1", "node-1")
	mirror.OwnerReferences[0].APIVersion, mirror.OwnerReferences[0].Kind = "v1", "Node"
	c.see(mirror)
	require.Equal(t, Changes{}, c.next(t))
	for i := range 1000 { // They come and go.
		pod := mirror.DeepCopy()
		pod.Name = fmt.Sprintf("runner-%d", i)
		c.see(pod)
		c.lose(pod)
	}
	require.Equal(t, Changes{}, c.next(t))
	for _, o := range c.pods.owners {
		require.Less(t, len(o.waiting), 10)
	}
}

func TestAdoptionAboveTheOwnerIsNoticed(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"))
	first := c.next(t).Pods[0]

	before, after := &metav1.PartialObjectMetadata{}, &metav1.PartialObjectMetadata{}
	before.OwnerReferences = []metav1.OwnerReference{controlledBy("Deployment", "shop")}
	c.regroup(before, before)
	require.Equal(t, Changes{}, c.next(t))
	require.Equal(t, 2, h.reads, "nothing to be asked")

	c.regroup(before, after)
	h.err = errors.New("no route to host")
	require.Equal(t, Changes{}, c.next(t), "what cannot be read now holds")
	h.err = nil

	h.owners["shop-1"] = nil // kubectl delete deployment --cascade=orphan
	c.regroup(before, after)
	second := c.next(t).Pods
	require.Equal(t, "ReplicaSet", second[0].Controller.Kind)
	require.Equal(t, "Deployment", first.Controller.Kind, "what was told is not changed")
	require.Equal(t, Changes{}, c.next(t))
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

func TestThePoolForgetsWhatNobodyHolds(t *testing.T) {
	var p pool[Shape]
	get := func(i int) *Shape {
		return p.get(fmt.Append(nil, i), func() Shape { return Shape{Containers: []string{fmt.Sprint(i)}} })
	}
	held := get(0)
	for i := range 100_000 {
		if i%1000 == 0 {
			runtime.GC()
		}
		get(i)
	}
	require.Less(t, len(p.values), 10_000)
	require.Same(t, held, get(0))
	require.Equal(t, []string{"0"}, held.Containers)
}

func TestSharedListsAndWordsAreBounded(t *testing.T) {
	p := newPods()
	for i := range maxWords + maxLists {
		pod := started("shop-1-a", "shop-1")
		pod.OwnerReferences[0].Kind = fmt.Sprint(i)
		pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(i), resource.DecimalSI)}
		p.set(p.eyes.see(pod))
	}
	require.LessOrEqual(t, len(p.words), maxWords)
	require.LessOrEqual(t, len(p.eyes.shapes.lists), maxLists)
	require.Len(t, p.owners, 1)
}
