package validation

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apijson "k8s.io/apimachinery/pkg/util/json" // as the API server: names of fields are told apart by case
	"k8s.io/apimachinery/pkg/util/validation/field"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// read reads a VPA without its status, which nobody writes this way. Quantities with exponents of many digits are
// refused unread, for it takes minutes to read 1e-100000000: once such a VPA were stored, whoever watches VPAs would
// stand still.
func read(object []byte) (*vpav1.VerticalPodAutoscaler, field.ErrorList, error) {
	var raw rawVPA
	if err := apijson.Unmarshal(object, &raw); err != nil {
		return nil, nil, err
	}
	if slow := raw.slow(); len(slow) > 0 {
		return nil, slow, nil
	}
	var vpa struct {
		Metadata metav1.ObjectMeta               `json:"metadata"`
		Spec     vpav1.VerticalPodAutoscalerSpec `json:"spec"`
	}
	if err := apijson.Unmarshal(object, &vpa); err != nil {
		return nil, nil, err
	}
	return &vpav1.VerticalPodAutoscaler{ObjectMeta: vpa.Metadata, Spec: vpa.Spec}, nil, nil
}

// rawVPA has all quantities of a VPA's spec as they are written.
type rawVPA struct {
	Spec struct {
		ResourcePolicy struct {
			ContainerPolicies []struct {
				MinAllowed     map[string]json.RawMessage `json:"minAllowed"`
				MaxAllowed     map[string]json.RawMessage `json:"maxAllowed"`
				OOMBumpUpRatio json.RawMessage            `json:"oomBumpUpRatio"`
				OOMMinBumpUp   json.RawMessage            `json:"oomMinBumpUp"`
				StartupBoost   rawBoost                   `json:"startupBoost"`
			} `json:"containerPolicies"`
		} `json:"resourcePolicy"`
		StartupBoost rawBoost `json:"startupBoost"`
	} `json:"spec"`
}

type rawBoost struct {
	CPU struct {
		Quantity json.RawMessage `json:"quantity"`
	} `json:"cpu"`
}

// slow returns an error for each quantity that takes too long to read.
func (r *rawVPA) slow() field.ErrorList {
	var errs field.ErrorList
	check := func(text json.RawMessage, at *field.Path) {
		if isSlow(text) {
			errs = append(errs, field.Invalid(at, clipped(text), "must be an amount that a machine can have; check its exponent"))
		}
	}
	checkAll := func(all map[string]json.RawMessage, at *field.Path) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			check(all[name], at.Key(name))
		}
	}
	spec := field.NewPath("spec")
	for i := range r.Spec.ResourcePolicy.ContainerPolicies {
		p, at := &r.Spec.ResourcePolicy.ContainerPolicies[i], spec.Child("resourcePolicy", "containerPolicies").Index(i)
		checkAll(p.MinAllowed, at.Child("minAllowed"))
		checkAll(p.MaxAllowed, at.Child("maxAllowed"))
		check(p.OOMBumpUpRatio, at.Child("oomBumpUpRatio"))
		check(p.OOMMinBumpUp, at.Child("oomMinBumpUp"))
		check(p.StartupBoost.CPU.Quantity, at.Child("startupBoost", "cpu", "quantity"))
	}
	check(r.Spec.StartupBoost.CPU.Quantity, spec.Child("startupBoost", "cpu", "quantity"))
	return errs
}

// isSlow reports whether the quantity is long, or its exponent is, or hides behind escapes.
func isSlow(text json.RawMessage) bool {
	const longest, longestExponent = 64, 3 // digits: 1e999 is far beyond all bounds
	text = bytes.Trim(text, `"`)
	_, exponent, _ := bytes.Cut(bytes.ToLower(text), []byte("e"))
	return len(text) > longest || bytes.ContainsRune(text, '\\') || len(bytes.TrimLeft(exponent, "+-")) > longestExponent
}

func clipped(text json.RawMessage) string {
	const most = 40
	text = bytes.Trim(text, `"`)
	if len(text) > most {
		return string(bytes.ToValidUTF8(text[:most], nil)) + "..."
	}
	return string(text)
}
