package legal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the scheme's kinds and defaults
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/plugin/pkg/admission/limitranger"
)

// apiServer is what happens to a pod that is created in a namespace with some LimitRanges, in the API server's order and by
// its own code: defaults, the LimitRanger, webhooks, validation, the LimitRanger once more.
type apiServer struct {
	ranges  []*corev1.LimitRange
	limiter *limitranger.LimitRanger
}

// newAPIServer is asked about LimitRanges in this order.
func newAPIServer(ranges []*corev1.LimitRange) (*apiServer, error) {
	limiter, err := limitranger.NewLimitRanger(nil)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(nil, 0)
	factory.InformerFor(&corev1.LimitRange{}, func(kubernetes.Interface, time.Duration) cache.SharedIndexInformer { return inOrder{ranges: ranges} })
	limiter.SetExternalKubeInformerFactory(factory)
	return &apiServer{ranges: ranges, limiter: limiter}, nil
}

// inOrder is an informer that lists LimitRanges in their order, where Kubernetes' own lists them in any.
type inOrder struct {
	cache.SharedIndexInformer
	cache.Indexer
	ranges []*corev1.LimitRange
}

func (x inOrder) HasSynced() bool           { return true }
func (x inOrder) GetIndexer() cache.Indexer { return x }

func (x inOrder) AddIndexers(cache.Indexers) error { return nil }

func (x inOrder) Index(string, any) ([]any, error) {
	all := make([]any, len(x.ranges))
	for i := range all {
		all[i] = x.ranges[i]
	}
	return all, nil
}

// review is what a webhook answers to a pod, as JSON: a JSON patch, or nothing.
type review func(pod []byte) (patch []byte, err error)

// received is a pod as webhooks are asked about it: what was posted with defaults, the LimitRanger's among them.
func (x *apiServer) received(posted []byte) (*corev1.Pod, error) {
	pod := &core.Pod{}
	if err := runtime.DecodeInto(legacyscheme.Codecs.UniversalDecoder(), posted, pod); err != nil {
		return nil, err
	}
	if err := x.limit(pod); err != nil {
		return nil, err
	}
	return versioned(pod)
}

// mutated is the pod after it was received by the LimitRanger and patched, with defaults for what the patch adds.
func (x *apiServer) mutated(pod *corev1.Pod, ask review) (*corev1.Pod, error) {
	text, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	answer, err := ask(text)
	if err != nil || len(answer) == 0 {
		return pod, err
	}
	patch, err := jsonpatch.DecodePatch(answer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", answer, err)
	}
	if text, err = patch.Apply(text); err != nil {
		return nil, fmt.Errorf("%s: %w", answer, err)
	}
	patched := &corev1.Pod{}
	if err := json.Unmarshal(text, patched); err != nil {
		return nil, fmt.Errorf("%s: %w", answer, err)
	}
	legacyscheme.Scheme.Default(patched)
	return patched, nil
}

// again is the pod after the LimitRanger was asked a second time, because a webhook changed the pod.
func (x *apiServer) again(pod *corev1.Pod) (*corev1.Pod, error) {
	internal, err := unversioned(pod)
	if err != nil {
		return nil, err
	}
	if err := x.limit(internal); err != nil {
		return nil, err
	}
	return versioned(internal)
}

// refuses says why the pod is not created; nil if it is.
func (x *apiServer) refuses(pod *corev1.Pod) error {
	internal, err := unversioned(pod)
	if err != nil {
		return err
	}
	podutil.DropDisabledPodFields(internal, nil)
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	options.ResourceIsPod = true
	if errs := validation.ValidatePodCreate(internal, options); len(errs) > 0 {
		return errs.ToAggregate()
	}
	if len(x.ranges) == 0 {
		return nil
	}
	return x.limiter.Validate(context.Background(), creation(internal), nil)
}

// limit fills in the LimitRanges' defaults. Where there are none, the plug-in would ask an API server whether it missed some.
func (x *apiServer) limit(pod *core.Pod) error {
	if len(x.ranges) == 0 {
		return nil
	}
	return x.limiter.Admit(context.Background(), creation(pod), nil)
}

func creation(pod *core.Pod) admission.Attributes {
	return admission.NewAttributesRecord(pod, nil, core.Kind("Pod").WithVersion("v1"), pod.Namespace, pod.Name,
		core.Resource("pods").WithVersion("v1"), "", admission.Create, &metav1.CreateOptions{}, false, nil)
}

func versioned(pod *core.Pod) (*corev1.Pod, error) {
	out, err := legacyscheme.Scheme.ConvertToVersion(pod, corev1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	return out.(*corev1.Pod), nil
}

func unversioned(pod *corev1.Pod) (*core.Pod, error) {
	out := &core.Pod{}
	return out, legacyscheme.Scheme.Convert(pod, out, nil)
}

// accepts reports whether LimitRanges like this one can be created, and fills in its defaults.
func accepts(one *corev1.LimitRange) bool {
	legacyscheme.Scheme.Default(one)
	internal := &core.LimitRange{}
	return legacyscheme.Scheme.Convert(one, internal, nil) == nil && len(validation.ValidateLimitRange(internal)) == 0
}
