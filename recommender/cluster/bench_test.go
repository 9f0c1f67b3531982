package cluster

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
)

// townOf returns pods of templates (a ReplicaSet and a Deployment each), as they are decoded: no two share a string.
func townOf(pods, templates int) (*herd, func(i int) *corev1.Pod) {
	h := newHerd()
	for i := range templates {
		h.deploy(fmt.Sprintf("service-%05d-7d9f8b6c5", i), fmt.Sprintf("service-%05d", i))
		h.uids[fmt.Sprintf("service-%05d-7d9f8b6c5", i)] = uid(i)
	}
	return h, func(i int) *corev1.Pod {
		n := i * templates / pods
		pod := started(fmt.Sprintf("service-%05d-7d9f8b6c5-%05x", n, i), fmt.Sprintf("service-%05d-7d9f8b6c5", n))
		pod.Namespace = fmt.Sprintf("namespace-%03d", n%200)
		pod.OwnerReferences[0].UID = uid(n)
		pod.OwnerReferences[0].APIVersion, pod.OwnerReferences[0].Kind = strings.Clone("apps/v1"), strings.Clone("ReplicaSet")
		service := fmt.Sprintf("service-%05d", n)
		pod.Spec.Containers, pod.Status.ContainerStatuses = nil, nil
		for _, name := range []string{service, strings.Clone("istio-proxy")} {
			requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("512Mi")}
			limits := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")}
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}})
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, RestartCount: int32(i % 3 / 2),
				Resources: &corev1.ResourceRequirements{Requests: requests, Limits: limits},
			})
		}
		return pod
	}
}

func uid(n int) types.UID { return types.UID(fmt.Sprintf("2f0b3f70-6e1c-4c0e-8f0a-%012d", n)) }

// BenchmarkFirstLoad is all that a first list costs once it is decoded, by pod: it is the same for
// any number of pods, three or ten of a template.
func BenchmarkFirstLoad(b *testing.B) {
	for _, size := range []struct{ pods, templates int }{{1_200, 400}, {12_000, 4_000}, {120_000, 40_000}, {100_000, 10_000}} {
		b.Run(fmt.Sprintf("pods=%d/templates=%d", size.pods, size.templates), func(b *testing.B) {
			h, make := townOf(size.pods, size.templates)
			var all []*corev1.Pod
			for i := range size.pods {
				all = append(all, make(i))
			}
			b.ReportAllocs()
			used := cpuTime()
			for b.Loop() {
				c := clusterOf(h)
				var seen []*sighting
				for _, pod := range all {
					seen = append(seen, c.pods.eyes.see(pod))
				}
				c.pods.replace(seen)
				if changes, err := c.PodChanges(context.Background()); err != nil || len(changes.Pods) != size.pods {
					b.Fatal(len(changes.Pods), err)
				}
			}
			b.ReportMetric(float64(cpuTime()-used)/float64(b.N)/float64(size.pods), "cpu-ns/pod")
		})
	}
}

// BenchmarkUpdate is an update of a pod in which nothing has changed that matters.
func BenchmarkUpdate(b *testing.B) {
	h, make := townOf(12_000, 4_000)
	c := clusterOf(h)
	for i := range 12_000 {
		c.see(make(i))
	}
	pod := make(6_000)
	b.ReportAllocs()
	for b.Loop() {
		c.see(pod)
	}
}

// BenchmarkMemory is what a pod costs as long as it is there, with all that the loop is told of it.
func BenchmarkMemory(b *testing.B) {
	for _, templates := range []int{10_000, 33_333} {
		b.Run(fmt.Sprintf("pods=100000/templates=%d", templates), func(b *testing.B) {
			const pods = 100_000
			h, make := townOf(pods, templates)
			for b.Loop() {
				before := heap()
				c := clusterOf(h)
				for i := range pods {
					c.see(make(i))
				}
				changes, err := c.PodChanges(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				told := changes.Pods
				changes = Changes{}
				b.ReportMetric(float64(heap()-before-8*uint64(len(told)))/pods, "B/pod")
				runtime.KeepAlive(told)
				runtime.KeepAlive(c)
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cpuTime is what this process has used, with its garbage collector: the clock on the wall tells what
// others do, too.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
