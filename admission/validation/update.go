package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/features"
)

// maxOOMWait is more than anybody means, in seconds.
const maxOOMWait = 7 * 24 * 60 * 60

func (c *checker) targetRef(vpa *vpav1.VerticalPodAutoscaler, at *field.Path) {
	ref := vpa.Spec.TargetRef
	if ref == nil {
		// Upstream means to say so, too, and never does.
		c.addOurs(field.Required(at, "If you're using v1beta1 version of the API, please migrate to v1"))
		return
	}
	if ref.Kind == "" {
		c.addOurs(field.Required(at.Child("kind"), "name the kind of the workload, such as Deployment"))
	}
	if ref.Name == "" {
		c.addOurs(field.Required(at.Child("name"), "name the workload"))
	}
	if _, err := schema.ParseGroupVersion(ref.APIVersion); err != nil {
		c.addOurs(field.Invalid(at.Child("apiVersion"), ref.APIVersion, "must be GROUP/VERSION, such as apps/v1"))
	}
}

func (c *checker) updatePolicy(p *vpav1.PodUpdatePolicy, at *field.Path) {
	c.updateMode(p.UpdateMode, at)
	if n := p.MinReplicas; n != nil && *n <= 0 {
		c.add(field.Invalid(at.Child("minReplicas"), *n, "minReplicas has to be positive"))
	}
	if s := p.EvictAfterOOMSeconds; s != nil {
		at := at.Child("evictAfterOOMSeconds")
		switch {
		case !c.allowed.perVPAConfig:
			c.needsPerVPAConfig(at)
		case *s < 1:
			c.add(field.Invalid(at, *s, "must be greater than or equal to 1"))
		case *s > maxOOMWait:
			c.addOurs(field.Invalid(at, *s, fmt.Sprintf("must be at most %d, which is a week", maxOOMWait)))
		}
	}
	for i, requirement := range p.EvictionRequirements {
		if requirement == nil || len(requirement.Resources) == 0 {
			c.addOurs(field.Required(at.Child("evictionRequirements").Index(i).Child("resources"), "name cpu, memory, or both"))
		}
	}
}

func (c *checker) updateMode(mode *vpav1.UpdateMode, policy *field.Path) {
	at := policy.Child("updateMode")
	if mode == nil {
		c.add(field.Required(at, "updateMode is required if UpdatePolicy is used"))
		return
	}
	if _, known := vpav1.GetUpdateModes()[*mode]; !known {
		c.add(field.NotSupported(at, *mode, vpav1.GetUpdateModesList()))
	}
	if *mode == "Auto" {
		c.warn("%s: %q mode is deprecated and will be removed in a future API version. Use explicit update modes like: %s. See https://github.com/kubernetes/autoscaler/issues/8424 for more details.",
			policy, *mode, vpav1.GetUpdateModesList())
	}
	if *mode == vpav1.UpdateModeInPlace && !c.allowed.inPlace {
		c.add(field.Forbidden(at, fmt.Sprintf("in order to use UpdateMode %s, you must enable feature gate %s in the admission-controller args", vpav1.UpdateModeInPlace, features.InPlace)))
	}
}

func (c *checker) needsPerVPAConfig(at *field.Path) {
	c.add(field.Forbidden(at, fmt.Sprintf("not supported when feature flag %s is disabled", features.PerVPAConfig)))
}
