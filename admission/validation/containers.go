package validation

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

func (c *checker) containerPolicies(all []vpav1.ContainerResourcePolicy, policies *field.Path) {
	seen := map[string]bool{}
	for i := range all {
		p := &all[i]
		at := c.policyAt(policies, i, p.ContainerName)
		c.containerName(p.ContainerName, at.Child("containerName"))
		if p.ContainerName != "" && seen[p.ContainerName] {
			twice := field.Duplicate(at.Child("containerName"), p.ContainerName)
			twice.Detail = "only the first policy of a container counts; make one of them"
			c.addOurs(twice)
		}
		seen[p.ContainerName] = true
		c.modes(p, at)
		c.bounds(p, at)
		c.controlledResources(p.ControlledResources, at.Child("controlledResources"))
		c.usage(p, at)
		if p.StartupBoost != nil {
			c.startupBoost(p.StartupBoost, at.Child("startupBoost"))
		}
	}
}

func (c *checker) containerName(name string, at *field.Path) {
	switch {
	case name == "":
		c.add(field.Required(at, ""))
	case name != vpav1.DefaultContainerResourcePolicy && len(validation.IsDNS1123Label(name)) > 0:
		c.warn("%s: no container can be called %q, so that its policy holds for none; write the container's name, or * for all that have no policy of their own", at, name)
	}
}

func (c *checker) modes(p *vpav1.ContainerResourcePolicy, at *field.Path) {
	if p.Mode != nil {
		if _, known := vpav1.GetScalingModes()[*p.Mode]; !known {
			c.add(field.NotSupported(at.Child("mode"), *p.Mode, vpav1.GetPossibleScalingModes()))
		}
	}
	values := p.ControlledValues
	if values == nil {
		return
	}
	if p.Mode != nil && *p.Mode == vpav1.ContainerScalingModeOff && *values == vpav1.ContainerControlledValuesRequestsAndLimits {
		c.add(field.Forbidden(at.Child("controlledValues"), "controlledValues shouldn't be specified if container scaling mode is off"))
	}
	if *values != vpav1.ContainerControlledValuesRequestsAndLimits && *values != vpav1.ContainerControlledValuesRequestsOnly {
		c.addOurs(field.NotSupported(at.Child("controlledValues"), *values,
			[]vpav1.ContainerControlledValues{vpav1.ContainerControlledValuesRequestsAndLimits, vpav1.ContainerControlledValuesRequestsOnly}))
	}
}

// bounds checks minAllowed and maxAllowed, each for itself and against the other.
func (c *checker) bounds(p *vpav1.ContainerResourcePolicy, at *field.Path) {
	least, most := at.Child("minAllowed"), at.Child("maxAllowed")
	for _, name := range sorted(p.MinAllowed) {
		low := p.MinAllowed[name]
		c.amount(name, low, least.Key(string(name)), false)
		if high, both := p.MaxAllowed[name]; both && !wild(low) && !wild(high) && high.Cmp(low) < 0 {
			c.add(field.Invalid(most.Key(string(name)), high.String(), fmt.Sprintf("max resource for %v is lower than min of \"%v\"", name, low.String())))
		}
	}
	for _, name := range sorted(p.MaxAllowed) {
		c.amount(name, p.MaxAllowed[name], most.Key(string(name)), true)
	}
}

func (c *checker) controlledResources(names *[]corev1.ResourceName, at *field.Path) {
	if names == nil {
		return
	}
	for i, name := range *names {
		switch {
		case name == corev1.ResourceCPU || name == corev1.ResourceMemory:
		case c.allowed.controlled[name]:
			c.warn("%s: unsupported value %q is allowed only because it is present in the existing VPA object; supported values: %q, %q", at.Index(i), name, corev1.ResourceCPU, corev1.ResourceMemory)
		default:
			c.add(field.NotSupported(at.Index(i), name, []string{string(corev1.ResourceCPU), string(corev1.ResourceMemory)}))
		}
	}
}
