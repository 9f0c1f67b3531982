package policy

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

func q(s string) resource.Quantity { return resource.MustParse(s) }

// list is cpu and memory as text; an empty text leaves the resource out.
func list(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	if cpu != "" {
		l[corev1.ResourceCPU] = q(cpu)
	}
	if memory != "" {
		l[corev1.ResourceMemory] = q(memory)
	}
	if len(l) == 0 {
		return nil
	}
	return l
}

func text(l corev1.ResourceList) map[corev1.ResourceName]string {
	m := map[corev1.ResourceName]string{}
	for name, value := range l {
		m[name] = value.String()
	}
	return m
}

// hostile are quantities that a status or a policy may hold though no container can be given them.
var hostile = []string{"0", "-1", "1n", "1u", "9E", "1e30", "9223372036854775807", "-9223372036854775808", "1e-9"}

// anyAmount draws sane amounts, and now and then a hostile one.
func anyAmount(name corev1.ResourceName) *rapid.Generator[resource.Quantity] {
	return rapid.Custom(func(t *rapid.T) resource.Quantity {
		if rapid.IntRange(0, 9).Draw(t, "hostile") == 0 {
			return q(rapid.SampledFrom(hostile).Draw(t, "value"))
		}
		if name == corev1.ResourceCPU {
			return *resource.NewMilliQuantity(rapid.Int64Range(1, 64_000).Draw(t, "milli"), resource.DecimalSI)
		}
		return *resource.NewQuantity(rapid.Int64Range(1<<20, 1<<38).Draw(t, "bytes"), resource.BinarySI)
	})
}

func anyList(t *rapid.T, label string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for _, name := range resources {
		if rapid.Bool().Draw(t, label+" has "+string(name)) {
			l[name] = anyAmount(name).Draw(t, label+" "+string(name))
		}
	}
	return l
}
