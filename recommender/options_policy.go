package main

import (
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

func (o *options) addPolicyFlags(fs *pflag.FlagSet) {
	p := &o.policy
	fs.Int64Var((*int64)(&p.rounding[usage.CPU]), "round-cpu-millicores", int64(p.rounding[usage.CPU]), "Recommend CPU in multiples of so many millicores, rounded up.")
	fs.Int64Var((*int64)(&p.rounding[usage.Memory]), "round-memory-bytes", int64(p.rounding[usage.Memory]), "Recommend memory in multiples of so many bytes, rounded up.")
	fs.Var(&maximum{&p.global.MaxAllowed, corev1.ResourceCPU}, "container-recommendation-max-allowed-cpu", "Most CPU of a container whose VPA has no maxAllowed for it. Empty or 0: no bound.")
	fs.Var(&maximum{&p.global.MaxAllowed, corev1.ResourceMemory}, "container-recommendation-max-allowed-memory", "Most memory of a container whose VPA has no maxAllowed for it. Empty or 0: no bound.")
	fs.BoolVar(&p.integerCPU, "cpu-integer-post-processor-enabled", p.integerCPU, "Recommend whole CPUs for containers whose VPA asks for it, with the annotation vpa-post-processor.kubernetes.io/CONTAINER_integerCPU=true.")
	o.limits.AddFlags(fs)
	fs.StringVar(&o.candidateSuffix, "release-candidate-suffix", o.candidateSuffix, "A VPA whose name ends so inherits from the VPA without it. Empty: only who says so by annotation.")
	fs.Var(&choice{&o.skipHPAConflicts, "report", "skip"}, "hpa-conflict",
		"What to do where an HPA scales the same workload on CPU or memory: report it in a condition, or also skip the resource.")
	o.features.AddFlag(fs)
}

func (o *options) validatePolicy() error {
	r, suffix := o.policy.rounding, o.candidateSuffix
	return flags.Problems(
		flags.Check{OK: r[usage.CPU] >= 0 && r[usage.CPU] <= usage.MaxAmount, Flag: "round-cpu-millicores", Value: r[usage.CPU], Must: "must be above 0, or 0 or 1 not to round"},
		flags.Check{OK: r[usage.Memory] >= 0 && r[usage.Memory] <= usage.MaxAmount, Flag: "round-memory-bytes", Value: r[usage.Memory], Must: "must be above 0, or 0 or 1 not to round"},
		// A suffix is what a name may have behind its first letter.
		flags.Check{OK: suffix == "" || len(validation.IsDNS1123Subdomain("a"+suffix)) == 0, Flag: "release-candidate-suffix", Value: suffix, Must: "must be the end of a VPA's name, like -rc"},
	)
}
