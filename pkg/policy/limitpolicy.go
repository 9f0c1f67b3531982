package policy

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Annotations of a VPA that say how its pods' limits and requests follow.
const (
	// CPULimitAnnotation and MemoryLimitAnnotation replace the cluster's rule: see ParseLimitRule.
	CPULimitAnnotation    = "sartor.dev/cpu-limit"
	MemoryLimitAnnotation = "sartor.dev/memory-limit"
	// FloorAnnotation says whether requests stay at or above the declared ones: "declared", or "none", whatever the
	// cluster's flag says.
	FloorAnnotation = "sartor.dev/floor"
)

var limitAnnotations = [len(usage.Resources)]string{CPULimitAnnotation, MemoryLimitAnnotation}

// ParseLimitPolicy reads a LimitPolicy from YAML or JSON, such as
//
//	cpu: {multiple: 2, round: 1, max: 8}
//	memory: {mode: proportional}
//
// What is not said is DefaultLimitPolicy's. An error names the field, its value, and the remedy.
func ParseLimitPolicy(text []byte) (LimitPolicy, error) {
	p := DefaultLimitPolicy()
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		return LimitPolicy{}, fmt.Errorf("reading the limit policy: %w; it has cpu, memory (each with mode, multiple, round, max) and maxAllowedBoundsLimit", err)
	}
	return p, p.Validate()
}

// Validate returns what makes no sense in the policy.
func (p LimitPolicy) Validate() error {
	var errs []error
	for _, r := range usage.Resources {
		if err := p.rule(r).validate(r); err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", r, err))
		}
	}
	return errors.Join(errs...)
}

func (r *LimitRule) validate(kind usage.Resource) error {
	switch r.Mode {
	case "", LimitMultiple, LimitProportional, LimitNone:
	default:
		return fmt.Errorf("mode %q is not known: use multiple, proportional or none", r.Mode)
	}
	if about := r.Multiple.AsApproximateFloat64(); about < 1 || about > maxMultiple {
		return fmt.Errorf("multiple %s is out of range: use 1 to %d", quoted(r.Multiple), maxMultiple)
	}
	for _, one := range []struct {
		name string
		q    resource.Quantity
	}{{"round", r.Round}, {"max", r.Max}} {
		if v := ValueOf(kind, one.q); one.q.Sign() != 0 && (v.is != exact || !v.sane(kind)) {
			return fmt.Errorf("%s %s is no amount of %s that a container can be given: use 0 for none, or %s", one.name, quoted(one.q), kind, examples[kind])
		}
	}
	return nil
}

var examples = [len(usage.Resources)]string{"1m to 2000", "1Mi to 100T"}

// ParseLimitRule reads the value of CPULimitAnnotation or MemoryLimitAnnotation: "proportional", "none", or any of
// multiple, round and max in any order, such as "multiple=2,round=1,max=8". What is not said is the cluster's. An
// error names the annotation, its value and the remedy.
func ParseLimitRule(r usage.Resource, text string, cluster LimitRule) (LimitRule, error) {
	rule, err := parseLimitRule(text, cluster)
	if err == nil {
		err = rule.validate(r)
	}
	if err != nil {
		return cluster, fmt.Errorf("annotation %s: %q: %w", limitAnnotations[r], clipped(text), err)
	}
	return rule, nil
}

func parseLimitRule(text string, rule LimitRule) (LimitRule, error) {
	switch mode := LimitMode(strings.TrimSpace(text)); mode {
	case LimitProportional, LimitNone:
		rule.Mode = mode
		return rule, nil
	}
	rule.Mode = LimitMultiple
	seen := ""
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		fields := map[string]*resource.Quantity{"multiple": &rule.Multiple, "round": &rule.Round, "max": &rule.Max}
		field, known := fields[key]
		if !ok || !known {
			return rule, errors.New("use proportional, none, or a list such as multiple=2,round=1,max=8")
		}
		if strings.Contains(seen, key) {
			return rule, fmt.Errorf("%s is said twice: say it once", key)
		}
		seen += key + ","
		q, err := parseQuantity(value)
		if err != nil {
			return rule, fmt.Errorf("%s: %w", key, err)
		}
		*field = q
	}
	return rule, nil
}

var errNoQuantity = errors.New("this is no quantity: use one such as 2, 500m or 1Gi")

// parseQuantity reads a quantity of the API. Exponents are refused, for 1e10000000 takes seconds.
func parseQuantity(text string) (resource.Quantity, error) {
	if len(text) > 32 || strings.ContainsAny(text, "eE") {
		return resource.Quantity{}, errNoQuantity
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}, errNoQuantity
	}
	return q, nil
}

// clipped keeps what somebody wrote readable.
func clipped(text string) string {
	if len(text) > 100 {
		return text[:100] + "..."
	}
	return text
}

// quoted is q for people, who may have written something that takes seconds to print.
func quoted(q resource.Quantity) string {
	about := q.AsApproximateFloat64()
	if q.Sign() != 0 && (about > 1e36 || about < -1e36 || about < 1e-12 && about > -1e-12) {
		return "beyond all bounds"
	}
	return q.String()
}

// FloorOf returns whether a VPA with these annotations keeps requests at or above the declared ones. An error names
// the annotation, its value and the remedy; then the cluster's flag counts.
func FloorOf(annotations map[string]string, cluster bool) (bool, error) {
	switch text, ok := annotations[FloorAnnotation]; {
	case !ok:
		return cluster, nil
	case text == "declared":
		return true, nil
	case text == "none":
		return false, nil
	default:
		return cluster, fmt.Errorf("annotation %s: %q: use declared or none", FloorAnnotation, clipped(text))
	}
}

// LimitsOf returns the limit policy of a VPA with these annotations: what they say in place of the cluster's. An
// annotation that makes no sense is an error, in place of which the cluster's rule counts.
func LimitsOf(annotations map[string]string, cluster LimitPolicy) (LimitPolicy, []error) {
	var errs []error
	for _, r := range usage.Resources {
		text, ok := annotations[limitAnnotations[r]]
		if !ok {
			continue
		}
		rule, err := ParseLimitRule(r, text, *cluster.rule(r))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		*cluster.rule(r) = rule
	}
	return cluster, errs
}
