package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// A cluster is so many VPAs, each of a Deployment with three pods of two containers, and 20 in a namespace.
const (
	podsPerVPA       = 3
	containersPerPod = 2
	containersPerVPA = podsPerVPA * containersPerPod
	vpasPerNamespace = 20
	templateHash     = "7d9f8b6c5d"
	historyLength    = 8 * 24 * time.Hour
)

var containerNames = [containersPerPod]string{"app", "sidecar"}

// start is where the histories begin: 8 days ago, so that the last memory interval runs.
var historyStart = time.Now().UTC().Truncate(time.Minute).Add(-historyLength)

func namespaceOf(v int) string  { return fmt.Sprintf("team-%04d", v/vpasPerNamespace) }
func serviceOf(v int) string    { return fmt.Sprintf("service-%05d", v) }
func replicaSetOf(v int) string { return serviceOf(v) + "-" + templateHash }
func podOf(v, p int) string     { return fmt.Sprintf("%s-%05d", replicaSetOf(v), p) }

func uidOf(kind, name string) types.UID { return types.UID(kind + "/" + name) }

// ownedBy is a reference to a controller of group apps.
func ownedBy(kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: kind, Name: name, UID: uidOf(kind, name), Controller: new(true)}
}

func labelsOf(v int) labels.Set {
	return labels.Set{
		"app.kubernetes.io/name":     serviceOf(v),
		"app.kubernetes.io/instance": serviceOf(v),
		"app.kubernetes.io/part-of":  namespaceOf(v),
		"pod-template-hash":          templateHash,
	}
}

func selectorOf(v int) labels.Selector {
	return labels.SelectorFromSet(labels.Set{"app.kubernetes.io/name": serviceOf(v)})
}

func newVPA(v int) *vpav1.VerticalPodAutoscaler {
	off := vpav1.UpdateModeOff
	return &vpav1.VerticalPodAutoscaler{
		TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling.k8s.io/v1", Kind: "VerticalPodAutoscaler"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespaceOf(v), Name: serviceOf(v), UID: types.UID(fmt.Sprint(v)),
			CreationTimestamp: metav1.NewTime(historyStart), Generation: 1,
		},
		Spec: vpav1.VerticalPodAutoscalerSpec{
			TargetRef:    &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: serviceOf(v)},
			UpdatePolicy: &vpav1.PodUpdatePolicy{UpdateMode: &off},
			ResourcePolicy: &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{
				ContainerName: "*", MinAllowed: resources("10m", "32Mi"), MaxAllowed: resources("8", "32Gi"),
			}}},
		},
	}
}

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func newPod(v, p int) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespaceOf(v), Name: podOf(v, p), Labels: labelsOf(v), UID: types.UID(podOf(v, p)),
			OwnerReferences: []metav1.OwnerReference{ownedBy("ReplicaSet", replicaSetOf(v))}, CreationTimestamp: metav1.NewTime(historyStart),
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, name := range containerNames {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: name, Image: "registry.example.com/team/app:1.2.3",
			Resources: corev1.ResourceRequirements{Requests: resources("100m", "256Mi")},
		})
	}
	return pod
}

func newVPAs(n int) []*vpav1.VerticalPodAutoscaler {
	vpas := make([]*vpav1.VerticalPodAutoscaler, n)
	for v := range vpas {
		vpas[v] = newVPA(v)
	}
	return vpas
}

// newPods is every VPA's pods in a row.
func newPods(n int) []*corev1.Pod {
	pods := make([]*corev1.Pod, n*podsPerVPA)
	for i := range pods {
		pods[i] = newPod(i/podsPerVPA, i%podsPerVPA)
	}
	return pods
}

// load is what one container uses: the same numbers in the same order each time it is made. They are lognormal.
type load struct {
	random      *rand.Rand
	cpu, memory float64 // medians, in cores and bytes
}

// newLoad is that of the i-th container of the cluster.
func newLoad(i int) *load {
	random := rand.New(rand.NewPCG(1, uint64(i)))
	return &load{random: random, cpu: 0.02 * math.Exp(random.NormFloat64()), memory: 1.5e8 * math.Exp(0.8*random.NormFloat64())}
}

// next is what it uses next.
func (l *load) next() (millicores, bytes int64) {
	return int64(1000 * l.cpu * math.Exp(0.6*l.random.NormFloat64())), int64(l.memory * math.Exp(0.15*l.random.NormFloat64()))
}

// history calls f with eight days of the i-th container, each so long after the one before.
func history(i int, each time.Duration, f func(at time.Time, millicores, bytes int64)) {
	l := newLoad(i)
	for at := historyStart; at.Before(historyStart.Add(historyLength)); at = at.Add(each) {
		millicores, bytes := l.next()
		f(at, millicores, bytes)
	}
}

// cores are values for a single histogram.
func cores() []float64 {
	random := rand.New(rand.NewPCG(7, 7))
	values := make([]float64, 1<<13)
	for i := range values {
		values[i] = 0.05 * math.Exp(0.6*random.NormFloat64())
	}
	return values
}
