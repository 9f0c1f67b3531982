package validation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	upstream "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/vpa"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	upstreamfeatures "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/features"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/features"
)

// draw picks one of these.
func draw[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

// maybe is nil as often as not.
func maybe[T any](t *rapid.T, label string, from ...T) *T {
	if rapid.Bool().Draw(t, label+" at all") {
		return nil
	}
	value := draw(t, label, from...)
	return &value
}

func list(t *rapid.T, label string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{"cpu", "memory", "ephemeral-storage"} {
		if text := maybe(t, label+" "+string(name), "0", "-1", "1", "2", "100m", "1500u", "512Mi", "1Gi", "1500m", "3k", "1P", "9E"); text != nil {
			out[name] = resource.MustParse(*text)
		}
	}
	return out
}

func boost(t *rapid.T) *vpav1.StartupBoost {
	b := &vpav1.StartupBoost{}
	if rapid.Bool().Draw(t, "boost CPU") {
		b.CPU = &vpav1.GenericStartupBoost{
			Type:            draw[vpav1.StartupBoostType](t, "boost", "", "Factor", "Quantity", "Twice"),
			Factor:          maybe[int32](t, "factor", -1, 0, 1, 3, 5000),
			DurationSeconds: maybe[int32](t, "duration", -1, 0, 60, 1<<30),
		}
		if text := maybe(t, "quantity", "-1", "0", "500m", "1500u", "9k"); text != nil {
			q := resource.MustParse(*text)
			b.CPU.Quantity = &q
		}
	}
	return b
}

func quantity(t *rapid.T, label string) *resource.Quantity {
	text := maybe(t, label, "-1", "0", "500m", "1", "1.2", "1Mi", "5k", "1P", "-9E")
	if text == nil {
		return nil
	}
	q := resource.MustParse(*text)
	return &q
}

func containerPolicies(t *rapid.T) []vpav1.ContainerResourcePolicy {
	var all []vpav1.ContainerResourcePolicy
	for range rapid.IntRange(0, 3).Draw(t, "policies") {
		p := vpav1.ContainerResourcePolicy{
			ContainerName: draw(t, "container", "", "*", "app", "proxy", "loot box"),
			Mode:          maybe[vpav1.ContainerScalingMode](t, "mode", "Auto", "Off", "Manual"),
			MinAllowed:    list(t, "min"), MaxAllowed: list(t, "max"),
			ControlledValues:                 maybe[vpav1.ContainerControlledValues](t, "values", "RequestsAndLimits", "RequestsOnly", "Neither"),
			OOMBumpUpRatio:                   quantity(t, "ratio"),
			OOMMinBumpUp:                     quantity(t, "bump"),
			MemoryAggregationIntervalSeconds: maybe[int32](t, "seconds", -1, 0, 1, 3600, 1<<31-1),
			MemoryAggregationIntervalCount:   maybe[int64](t, "count", -1, 0, 1, 8, 1<<62),
		}
		if rapid.Bool().Draw(t, "controlled at all") {
			names := rapid.SliceOfN(rapid.SampledFrom([]corev1.ResourceName{"cpu", "memory", "broken", "worse"}), 0, 3).Draw(t, "controlled")
			p.ControlledResources = &names
		}
		if rapid.Bool().Draw(t, "boosted") {
			p.StartupBoost = boost(t)
		}
		all = append(all, p)
	}
	return all
}

// anyVPA is one in which anything may be wrong that has no annotation.
func anyVPA(t *rapid.T) *vpav1.VerticalPodAutoscaler {
	vpa := &vpav1.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "shop"}}
	if rapid.IntRange(0, 9).Draw(t, "target at all") > 0 {
		vpa.Spec.TargetRef = &autoscalingv1.CrossVersionObjectReference{
			APIVersion: draw(t, "version", "apps/v1", "v1", "", "a/b/c"), Kind: draw(t, "kind", "Deployment", ""), Name: draw(t, "name", "shop", ""),
		}
	}
	if rapid.Bool().Draw(t, "update policy") {
		vpa.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{
			UpdateMode:           maybe[vpav1.UpdateMode](t, "update mode", "Off", "Initial", "Recreate", "Auto", "InPlace", "InPlaceOrRecreate", "Sometimes"),
			MinReplicas:          maybe[int32](t, "replicas", -1, 0, 1),
			EvictAfterOOMSeconds: maybe[int32](t, "oom", -1, 0, 60, 1<<30),
		}
	}
	if rapid.Bool().Draw(t, "resource policy") {
		vpa.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: containerPolicies(t)}
	}
	if rapid.Bool().Draw(t, "boost") {
		vpa.Spec.StartupBoost = boost(t)
	}
	for range rapid.IntRange(0, 2).Draw(t, "recommenders") {
		vpa.Spec.Recommenders = append(vpa.Spec.Recommenders, &vpav1.VerticalPodAutoscalerRecommenderSelector{Name: draw(t, "recommender", "default", "")})
	}
	return vpa
}

func raw(t require.TestingT, object any) runtime.RawExtension {
	text, err := json.Marshal(object)
	require.NoError(t, err)
	return runtime.RawExtension{Raw: text}
}

func request(t require.TestingT, vpa, old *vpav1.VerticalPodAutoscaler) *admissionv1.AdmissionRequest {
	r := &admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: vpa.Namespace, Name: vpa.Name, Object: raw(t, vpa),
		Kind:     metav1.GroupVersionKind{Group: "autoscaling.k8s.io", Version: "v1", Kind: "VerticalPodAutoscaler"},
		Resource: metav1.GroupVersionResource{Group: "autoscaling.k8s.io", Version: "v1", Resource: "verticalpodautoscalers"},
	}
	if old != nil {
		r.Operation, r.OldObject = admissionv1.Update, raw(t, old)
	}
	return r
}

// asUpstream is what upstream says: its warnings, errors and patch.
func asUpstream(t require.TestingT, r *admissionv1.AdmissionRequest, gates string) (warnings, errs []string, patch string) {
	require.NoError(t, upstreamfeatures.MutableFeatureGate.Set(gates))
	records, warnings, found := upstream.NewResourceHandler(upstream.NewDefaultPreProcessor()).GetPatches(nil, r) //nolint:staticcheck // it is not used
	for _, err := range found {
		errs = append(errs, err.Error())
	}
	if len(records) > 0 {
		text, err := json.Marshal(records)
		require.NoError(t, err)
		patch = string(text)
	}
	return warnings, errs, patch
}

// TestUpstreamsErrorsAreOursInItsWords compares on random VPAs: what upstream denies is denied with the same words,
// unless it was there before; what it lets through is denied only for reasons that are ours.
func TestUpstreamsErrorsAreOursInItsWords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		set := fmt.Sprintf("InPlace=%t,PerVPAConfig=%t,CPUStartupBoost=%t",
			rapid.Bool().Draw(rt, "InPlace"), rapid.Bool().Draw(rt, "PerVPAConfig"), rapid.Bool().Draw(rt, "CPUStartupBoost"))
		var open features.Gates
		require.NoError(t, open.Set(set))
		vpa := anyVPA(rt)
		var old *vpav1.VerticalPodAutoscaler
		if rapid.Bool().Draw(rt, "update") {
			old = anyVPA(rt)
		}
		r := request(rt, vpa, old)
		warnings, errs, patch := asUpstream(rt, r, set)

		found := check(vpa, allow(open, old), byIndex)
		var theirs []string
		for i, err := range found.errs {
			if !found.ours[i] {
				theirs = append(theirs, err.Error())
			}
		}
		// Two rules of upstream's wrap around, or say in other words, where ours says that the amount is absurd.
		errs = slices.DeleteFunc(errs, absurd)
		require.ElementsMatch(rt, errs, slices.DeleteFunc(theirs, absurd))
		for _, warning := range warnings {
			require.Contains(rt, found.warnings, warning)
		}

		response, result := Review(r, open)
		if result == Allowed && vpa.Spec.TargetRef != nil && len(errs) == 0 {
			require.JSONEq(rt, orNull(patch), orNull(string(response.Patch)))
		}
		if old == nil {
			require.Equal(rt, len(found.errs) == 0, response.Allowed)
		}
	})
}

// absurd are errors that upstream has for amounts that we refuse for being beyond all bounds.
func absurd(err string) bool {
	return strings.Contains(err, "oomBumpUpRatio: Invalid") || strings.Contains(err, "oomMinBumpUp: Invalid")
}

func orNull(text string) string {
	if text == "" {
		return "null"
	}
	return text
}

// TestAnUpdateThatChangesNothingIsNeverDenied is for VPAs of any kind, however broken.
func TestAnUpdateThatChangesNothingIsNeverDenied(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		vpa := anyVPA(rt)
		vpa.Annotations = rapid.MapOf(rapid.SampledFrom(known), rapid.SampledFrom([]string{"", "x", "a=b", "true", "none"})).Draw(rt, "annotations")
		labelled := vpa.DeepCopy()
		labelled.Labels = map[string]string{"a": "b"}
		labelled.Finalizers = []string{"example.com/a"}
		if policies := labelled.Spec.ResourcePolicy; policies != nil {
			slices.Reverse(policies.ContainerPolicies)
		}
		_, errs := Validate(labelled, vpa, features.Gates{})
		require.Empty(rt, errs)
	})
}
