package validation

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

// prefix is that of our own annotations.
const prefix = "sartor.dev/"

// known are our own annotations of VPAs.
var known = []string{
	policy.CPULimitAnnotation, policy.FloorAnnotation, lineage.OptAnnotation, lineage.ContainersAnnotation, lineage.FromAnnotation, lineage.ModeAnnotation,
	policy.MemoryLimitAnnotation,
}

// annotations checks our own with the parsers of the programs that act on them.
func (c *checker) annotations(vpa *vpav1.VerticalPodAutoscaler, at *field.Path) {
	all := vpa.Annotations
	_, problems := policy.LimitsOf(all, policy.DefaultLimitPolicy())
	if _, err := policy.FloorOf(all, false); err != nil {
		problems = append(problems, err)
	}
	for _, err := range problems {
		c.addOurs(annotationError(at, err.Error()))
	}
	for _, problem := range inheritance(vpa) {
		c.addOurs(annotationError(at, problem))
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(key, prefix) && !slices.Contains(known, key) {
			c.warn("%s: there is no such annotation of VPAs; there are %s", at.Key(key), strings.Join(known, ", "))
		}
	}
}

// annotationError is what a parser says, which names annotation, value and remedy itself.
func annotationError(at *field.Path, problem string) *field.Error {
	return field.Invalid(at, field.OmitValueType{}, problem)
}

// inheritance returns what is wrong with the annotations that say from whom a VPA inherits. Whether that one exists
// is nobody's affair here: it may come later.
func inheritance(vpa *vpav1.VerticalPodAutoscaler) []string {
	all := maps.Clone(vpa.Annotations)
	if all == nil {
		return nil
	}
	if _, named := all[lineage.FromAnnotation]; !named {
		all[lineage.FromAnnotation] = "any" // the other annotations are read only if there is somebody to inherit from
	}
	link := lineage.Of(vpa.Name, all, "", func(string) (map[string]string, bool) { return nil, false })
	problems := link.Invalid
	if link.Refused != "" && vpa.Annotations[lineage.FromAnnotation] == vpa.Name {
		problems = append(problems, link.Refused)
	}
	return problems
}
