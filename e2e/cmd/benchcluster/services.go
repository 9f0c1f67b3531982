package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// container is one of a service's, and about what it uses.
type container struct {
	name   string
	milli  float64
	memory float64 // MiB
}

// containersOf are the i-th service's own and its sidecar, whose usage is drawn at random, the same in every run.
func containersOf(i int) []container {
	random := rand.New(rand.NewPCG(1, uint64(i)))
	about := func(median float64) float64 { return math.Round(median * math.Exp(random.NormFloat64())) }
	return []container{{"service", about(200), about(400)}, {"proxy", about(20), about(60)}}
}

// noise is by how much of it usage varies, from reading to reading.
const noise = 0.3

func deployment(i, replicas int) *appsv1.Deployment {
	labels := map[string]string{"app": nameOf(i)}
	usage := map[string]string{"usage/noise": strconv.FormatFloat(noise, 'f', -1, 64)}
	var containers []corev1.Container
	for _, c := range containersOf(i) {
		usage["usage/cpu-"+c.name] = fmt.Sprintf("%.0fm", c.milli)
		usage["usage/memory-"+c.name] = fmt.Sprintf("%.0fMi", c.memory)
		containers = append(containers, corev1.Container{Name: c.name, Image: "registry.example.com/" + c.name + ":1"})
	}
	count := int32(replicas)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: nameOf(i)},
		Spec: appsv1.DeploymentSpec{
			Replicas: &count,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: usage},
				Spec:       corev1.PodSpec{Containers: containers},
			},
		},
	}
}

// checkpoint is what a recommender has of four days of a container when it stops at a moment.
func checkpoint(i int, c container, now time.Time) *vpav1.VerticalPodAutoscalerCheckpoint {
	const days = 4
	stamp := metav1.NewTime(now)
	return &vpav1.VerticalPodAutoscalerCheckpoint{
		ObjectMeta: metav1.ObjectMeta{Name: nameOf(i) + "-" + c.name},
		Spec:       vpav1.VerticalPodAutoscalerCheckpointSpec{VPAObjectName: nameOf(i), ContainerName: c.name},
		Status: vpav1.VerticalPodAutoscalerCheckpointStatus{
			Version: "v3", LastUpdateTime: stamp,
			FirstSampleStart: metav1.NewTime(now.Add(-days * 24 * time.Hour)), LastSampleStart: stamp,
			TotalSamplesCount: days * 24 * 60,
			CPUHistogram:      histogram(c.milli/1000, 0.01, days*24*60*0.1, stamp),
			MemoryHistogram:   histogram(c.memory*(1<<20), 1e7, days, stamp),
		},
	}
}

// histogram spreads a weight over the buckets about a value, as noise does. The first bucket ends at first, each is
// 5 % wider than the one before.
func histogram(value, first, weight float64, reference metav1.Time) vpav1.HistogramCheckpoint {
	const ratio, most = 1.05, 10000
	bucket := func(v float64) int { return int(math.Log(max(v, first)*(ratio-1)/first+1) / math.Log(ratio)) }
	h := vpav1.HistogramCheckpoint{ReferenceTimestamp: reference, BucketWeights: map[int]uint32{}, TotalWeight: weight}
	for b := bucket(value * (1 - noise)); b <= bucket(value*(1+noise)); b++ {
		h.BucketWeights[b] = most
	}
	return h
}
