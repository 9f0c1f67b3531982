package cluster

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

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
	require.True(t, e.see(pod).shape.Pod.Guaranteed)
	pod.Spec.InitContainers[0].Resources = corev1.ResourceRequirements{}
	require.False(t, e.see(pod).shape.Pod.Guaranteed)
}

func sameShape(a, b Shape) bool {
	return reflect.DeepEqual(a, b)
}

// anyTemplate draws few and similar pods, so that two are often alike, or almost.
func anyTemplate(t *rapid.T) *corev1.Pod {
	pod := podOfShop()
	pod.Annotations = rapid.SampledFrom([]map[string]string{
		nil, {policy.DeclaredAnnotation: `{"a":{"requests":{"cpu":"1"}}}`, policy.UpdatesAnnotation: "some"},
		{policy.DeclaredAnnotation: `{`}, {policy.LimitRangerAnnotation: "LimitRanger plugin set: cpu request for container a"},
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

func TestSharedWordsAreBounded(t *testing.T) {
	p := newPods()
	for i := range 2 * maxWords {
		pod := started("shop-1-a", "shop-1")
		pod.OwnerReferences[0].Kind = fmt.Sprint(i)
		p.set(p.eyes.see(pod))
	}
	require.LessOrEqual(t, len(p.words), maxWords)
	require.Len(t, p.owners, 1)
}
