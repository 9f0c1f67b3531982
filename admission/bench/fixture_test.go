package bench

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// A cluster is one namespace of so many workloads, each with a ReplicaSet, and a VPA for each, or all of them for the first.
const (
	namespace    = "bench"
	templateHash = "6d4cf56db6"
	uid          = "00000000-0000-4000-8000-000000000000"
)

// kind is what the workloads are.
type kind struct{ name, apiVersion string }

var (
	deployment = kind{"Deployment", "apps/v1"}
	rollout    = kind{"Rollout", "argoproj.io/v1alpha1"}
)

func workload(i int) string   { return fmt.Sprintf("app-%d", i) }
func replicaSet(i int) string { return workload(i) + "-" + templateHash }

func labels(i int) map[string]string {
	return map[string]string{"app.kubernetes.io/name": workload(i), "env": "prod"}
}

func ownedBy(k kind, name string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: k.apiVersion, Kind: k.name, Name: name, UID: uid, Controller: new(true), BlockOwnerDeletion: new(true)}}
}

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// newVPA is the i-th, younger than all before it.
func newVPA(i, target int, k kind) *vpav1.VerticalPodAutoscaler {
	initial := vpav1.UpdateModeInitial
	recommended := func(container, cpu, memory string) vpav1.RecommendedContainerResources {
		return vpav1.RecommendedContainerResources{
			ContainerName: container, Target: amounts(cpu, memory), UncappedTarget: amounts(cpu, memory),
			LowerBound: amounts("25m", "100Mi"), UpperBound: amounts("4", "8Gi"),
		}
	}
	return &vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("vpa-%d", i), UID: types.UID(fmt.Sprint(i)), CreationTimestamp: metav1.NewTime(time.Unix(1_700_000_000+int64(i), 0)),
		},
		Spec: vpav1.VerticalPodAutoscalerSpec{
			TargetRef:    &autoscalingv1.CrossVersionObjectReference{APIVersion: k.apiVersion, Kind: k.name, Name: workload(target)},
			UpdatePolicy: &vpav1.PodUpdatePolicy{UpdateMode: &initial},
			ResourcePolicy: &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
				{ContainerName: "app", MinAllowed: amounts("100m", "128Mi"), MaxAllowed: amounts("4", "8Gi")},
				{ContainerName: "*", MaxAllowed: amounts("2", "2Gi")},
			}},
		},
		Status: vpav1.VerticalPodAutoscalerStatus{Recommendation: &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{
			recommended("app", "587m", "843Mi"), recommended("helper", "63m", "262144k"), recommended("istio-proxy", "49m", "164Mi"),
		}}},
	}
}

func newDeployment(i int) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: workload(i), UID: uid, Labels: labels(i)},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels(i)}},
	}
}

func newReplicaSet(i int, of kind) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: replicaSet(i), UID: uid, Labels: labels(i), OwnerReferences: ownedBy(of, workload(i))},
		Spec:       appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels(i)}},
	}
}

// newPod is one of the i-th workload as the API server sends it: two containers, and a mesh's sidecar.
func newPod(i int) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: replicaSet(i) + "-", Name: replicaSet(i) + "-x7k2p", Namespace: namespace, Labels: labels(i),
			Annotations: map[string]string{
				"prometheus.io/scrape":    "true",
				"sidecar.istio.io/status": `{"initContainers":["istio-init"],"containers":["istio-proxy"],"volumes":["istio-envoy","istio-data"],"revision":"default"}`,
			},
			OwnerReferences: ownedBy(kind{"ReplicaSet", "apps/v1"}, replicaSet(i)),
		},
		Spec: corev1.PodSpec{
			ServiceAccountName: "app", NodeSelector: map[string]string{"kubernetes.io/os": "linux"}, SchedulerName: "default-scheduler",
			InitContainers: []corev1.Container{newContainer("istio-init", "istio/proxyv2:1.27", 0, amounts("10m", "40Mi"), amounts("2", "1Gi"))},
			Containers: []corev1.Container{
				newContainer("app", "registry/app:1", 20, amounts("100m", "512Mi"), amounts("2", "1Gi")),
				newContainer("helper", "registry/helper:1", 5, amounts("50m", "64Mi"), amounts("200m", "256Mi")),
				newContainer("istio-proxy", "istio/proxyv2:1.27", 25, amounts("100m", "128Mi"), amounts("2", "1Gi")),
			},
			Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "app"}},
			}}},
		},
	}
	pod.Labels["pod-template-hash"] = templateHash
	pod.Spec.InitContainers[0].Args = []string{"istio-iptables", "-p", "15001", "-z", "15006"}
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
	pod.Spec.Containers[2].Args = []string{"proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"}
	return pod
}

func newContainer(name, image string, variables int, requests, limits corev1.ResourceList) corev1.Container {
	c := corev1.Container{Name: name, Image: image, Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
	if variables == 0 {
		return c
	}
	for v := range variables {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("VAR_%d", v), Value: fmt.Sprintf("some-value-%d", v)})
	}
	c.VolumeMounts = []corev1.VolumeMount{
		{Name: "config", MountPath: "/etc/app"},
		{Name: "kube-api-access-x7k2p", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"},
	}
	return c
}

// newReview is the body of the request for the creation of a pod.
func newReview(pod *corev1.Pod) []byte {
	object, err := json.Marshal(pod)
	need(err)
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "705ab4f5-6393-11e8-b7cc-42010a800002", Namespace: namespace, Name: pod.Name, Operation: admissionv1.Create,
			Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			RequestKind: &metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, RequestResource: &metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Object: runtime.RawExtension{Raw: object}, DryRun: new(false),
		},
	}
	review.Request.UserInfo.Username = "system:serviceaccount:kube-system:replicaset-controller"
	body, err := json.Marshal(review)
	need(err)
	return body
}

func TestAReviewIsAsLargeAsThoseOfPodsWithASidecar(t *testing.T) {
	require.Len(t, newReview(newPod(0)), 4687)
}
