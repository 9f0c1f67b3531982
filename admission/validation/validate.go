// Package validation judges VerticalPodAutoscalers that are created or changed: with upstream's rules, in upstream's
// words, and with some more, for what upstream lets through and can only go wrong later.
//
// What was wrong before may stay: an update is denied only for what it makes wrong. So a broken VPA can still be
// labelled, repaired step by step, and deleted.
package validation

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/features"
)

// Validate returns what is wrong with a VPA, and what its author should know. old is the VPA before an update, nil
// where it is created. Errors name field, value and remedy; what is wrong with old in the same way is a warning.
func Validate(vpa, old *vpav1.VerticalPodAutoscaler, gates features.Gates) (warnings []string, errs field.ErrorList) {
	// Nothing can be wrong with what is on its way out: finalizers have to come off.
	if vpa.DeletionTimestamp != nil {
		return nil, nil
	}
	allowed := allow(gates, old)
	found := check(vpa, allowed, byIndex)
	before := map[string]bool{}
	if old != nil {
		for _, err := range check(old, allowed, byName).errs {
			before[err.Error()] = true
		}
	}
	warnings = found.warnings
	// The same policy may have moved to another place in the list, so that what is the same is told by its name.
	for i, same := range check(vpa, allowed, byName).errs {
		if before[same.Error()] {
			warnings = append(warnings, found.errs[i].Error()+"; it was so before, and stays")
			continue
		}
		errs = append(errs, found.errs[i])
	}
	return warnings, errs
}

// checker collects what is wrong.
type checker struct {
	allowed  allowed
	policyAt func(policies *field.Path, i int, name string) *field.Path
	errs     field.ErrorList
	warnings []string
	// ours counts the errors that upstream does not know, by their place in errs.
	ours map[int]bool
}

func byIndex(policies *field.Path, i int, _ string) *field.Path { return policies.Index(i) }

func byName(policies *field.Path, _ int, name string) *field.Path { return policies.Key(name) }

// add takes an error of upstream's.
func (c *checker) add(err *field.Error) { c.errs = append(c.errs, err) }

// addOurs takes an error that upstream does not know.
func (c *checker) addOurs(err *field.Error) {
	c.ours[len(c.errs)] = true
	c.add(err)
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

func check(vpa *vpav1.VerticalPodAutoscaler, a allowed, policyAt func(*field.Path, int, string) *field.Path) *checker {
	c := &checker{allowed: a, policyAt: policyAt, ours: map[int]bool{}}
	spec := field.NewPath("spec")
	c.targetRef(vpa, spec.Child("targetRef"))
	if p := vpa.Spec.UpdatePolicy; p != nil {
		c.updatePolicy(p, spec.Child("updatePolicy"))
	}
	if p := vpa.Spec.ResourcePolicy; p != nil {
		c.containerPolicies(p.ContainerPolicies, spec.Child("resourcePolicy", "containerPolicies"))
	}
	if b := vpa.Spec.StartupBoost; b != nil {
		c.startupBoost(b, spec.Child("startupBoost"))
	}
	c.recommenders(vpa.Spec.Recommenders, spec.Child("recommenders"))
	c.annotations(vpa, field.NewPath("metadata", "annotations"))
	return c
}

// allowed is what needs a feature gate and may be there all the same: the gate is open, or it was there before.
type allowed struct {
	startupBoost, perVPAConfig, inPlace bool
	// controlled are resources beside CPU and memory.
	controlled map[corev1.ResourceName]bool
}

func allow(gates features.Gates, old *vpav1.VerticalPodAutoscaler) allowed {
	a := allowed{
		startupBoost: gates.Enabled(features.CPUStartupBoost),
		perVPAConfig: gates.Enabled(features.PerVPAConfig),
		inPlace:      gates.Enabled(features.InPlace),
		controlled:   map[corev1.ResourceName]bool{},
	}
	if old == nil {
		return a
	}
	if p := old.Spec.UpdatePolicy; p != nil {
		a.inPlace = a.inPlace || p.UpdateMode != nil && *p.UpdateMode == vpav1.UpdateModeInPlace
		a.perVPAConfig = a.perVPAConfig || p.EvictAfterOOMSeconds != nil
	}
	a.startupBoost = a.startupBoost || old.Spec.StartupBoost != nil && old.Spec.StartupBoost.CPU != nil
	if old.Spec.ResourcePolicy == nil {
		return a
	}
	for _, p := range old.Spec.ResourcePolicy.ContainerPolicies {
		a.startupBoost = a.startupBoost || p.StartupBoost != nil
		a.perVPAConfig = a.perVPAConfig || p.OOMBumpUpRatio != nil || p.OOMMinBumpUp != nil ||
			p.MemoryAggregationIntervalCount != nil || p.MemoryAggregationIntervalSeconds != nil
		if p.ControlledResources != nil {
			for _, name := range *p.ControlledResources {
				a.controlled[name] = true
			}
		}
	}
	return a
}

func (c *checker) recommenders(all []*vpav1.VerticalPodAutoscalerRecommenderSelector, at *field.Path) {
	if len(all) > 1 {
		c.add(field.TooMany(at, len(all), 1))
	}
	for i, one := range all {
		if one == nil || one.Name == "" {
			c.addOurs(field.Required(at.Index(i).Child("name"), "name the recommender, or leave recommenders out for the default one"))
		}
	}
}

// sorted are the keys of l, so that messages come in one order.
func sorted(l corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(l))
	for name := range l {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
