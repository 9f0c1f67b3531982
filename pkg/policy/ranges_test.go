package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// ofContainers and ofPods are LimitRanges of one item.
func ofContainers(item corev1.LimitRangeItem) *corev1.LimitRange {
	item.Type = corev1.LimitTypeContainer
	return &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}}
}

func ofPods(item corev1.LimitRangeItem) *corev1.LimitRange {
	one := ofContainers(item)
	one.Spec.Limits[0].Type = corev1.LimitTypePod
	return one
}

func TestAllItemsOfAllLimitRangesHold(t *testing.T) {
	claim := ofContainers(corev1.LimitRangeItem{Max: list("1m", "")})
	claim.Spec.Limits[0].Type = corev1.LimitTypePersistentVolumeClaim
	x := RangesOf([]*corev1.LimitRange{
		ofContainers(corev1.LimitRangeItem{Min: list("100m", "10Mi"), Max: list("4", ""), MaxLimitRequestRatio: list("4", "")}),
		ofContainers(corev1.LimitRangeItem{Min: list("200m", "5Mi"), Max: list("2", "1Gi"), MaxLimitRequestRatio: list("2500m", "3"), Default: list("1", "")}),
		ofPods(corev1.LimitRangeItem{Max: list("6", "")}), claim,
	})
	cpu, memory := x.ofContainer(usage.CPU), x.ofContainer(usage.Memory)
	require.Equal(t, []int64{200, 2000, 2500}, []int64{cpu.min.amount, cpu.max.amount, cpu.ratio})
	require.Equal(t, []int64{10 << 20, 1 << 30, 3000}, []int64{memory.min.amount, memory.max.amount, memory.ratio})
	pod := x.ofPod(usage.CPU)
	require.Equal(t, int64(6000), pod.max.amount)
	require.False(t, pod.min.IsSet())
	require.Equal(t, span{}, x.ofPod(usage.Memory))
}

func TestWhatALimitRangeDoesNotAllowIsMovedToWhatItDoes(t *testing.T) {
	shop := container(app, list("100m", "512Mi"), list("2", "1Gi"))
	guaranteed := container(app, list("2", "1Gi"), list("2", "1Gi"))
	for name, tc := range map[string]struct {
		declared corev1.Container
		target   string
		policy   vpav1.ContainerResourcePolicy
		item     corev1.LimitRangeItem
		want     string
		warnings []string
	}{
		"room for peaks is cut at the maximum": {
			declared: shop, target: "1700m", item: corev1.LimitRangeItem{Max: list("3", "")}, want: "cpu 1700m/3",
			warnings: []string{"cpu: limit 4 lowered to 3 by the LimitRange's max"},
		},
		"and stays a whole number of cores": {
			declared: shop, target: "1700m", item: corev1.LimitRangeItem{Max: list("3500m", "")}, want: "cpu 1700m/3",
			warnings: []string{"cpu: limit 4 lowered to 3 by the LimitRange's max"},
		},
		"the request ends at the maximum": {
			declared: shop, target: "5", item: corev1.LimitRangeItem{Max: list("3", "")}, want: "cpu 3/3",
			warnings: []string{"cpu: request 5 lowered to 3 by the LimitRange's max", "cpu: limit 6 lowered to 3 by the LimitRange's max"},
		},
		"the request is raised to the minimum, past maxAllowed": {
			declared: shop, target: "50m", policy: vpav1.ContainerResourcePolicy{MaxAllowed: list("60m", "")}, item: corev1.LimitRangeItem{Min: list("80m", "")},
			want: "cpu 80m/2", warnings: []string{"cpu: request 50m raised to 80m by the LimitRange's min"},
		},
		"a declared limit above the maximum stays, and Kubernetes says so": {
			declared: shop, target: "500m", item: corev1.LimitRangeItem{Max: list("1", "")}, want: "cpu -/-",
			warnings: []string{"cpu left as declared: no request near 500m is legal with the LimitRange's max"},
		},
		"who has no limit cannot be under a maximum": {
			declared: container(app, list("100m", ""), nil), target: "500m", item: corev1.LimitRangeItem{Max: list("1", "")}, want: "cpu -/-",
			warnings: []string{"cpu left as declared: no request near 500m is legal with the LimitRange's max"},
		},
		"the limit is lowered to the ratio": {
			declared: shop, target: "1700m", item: corev1.LimitRangeItem{MaxLimitRequestRatio: list("1500m", "")}, want: "cpu 1700m/2",
			warnings: []string{"cpu: limit 4 lowered to 2 by the LimitRange's maxLimitRequestRatio"},
		},
		"but not below the declared one: the request is raised": {
			declared: shop, target: "50m", item: corev1.LimitRangeItem{MaxLimitRequestRatio: list("8", "")}, want: "cpu 250m/2",
			warnings: []string{"cpu: request 50m raised to 250m by the LimitRange's maxLimitRequestRatio"},
		},
		"whole CPUs of a Guaranteed pod stay whole under a maximum": {
			declared: guaranteed, target: "3100m", item: corev1.LimitRangeItem{Max: list("3500m", "")}, want: "cpu 3/3",
			warnings: []string{"cpu: request 4 lowered to 3 by the LimitRange's max"},
		},
		"and over a minimum": {
			declared: guaranteed, target: "100m", item: corev1.LimitRangeItem{Min: list("1500m", "")}, want: "cpu 2/2",
			warnings: []string{"cpu: request 1 raised to 2 by the LimitRange's min"},
		},
		"nothing is between a minimum and a maximum that is less": {
			declared: shop, target: "1", item: corev1.LimitRangeItem{Min: list("4", ""), Max: list("3", "")}, want: "cpu -/-",
			warnings: []string{"cpu left as declared: no request near 1 is legal with the LimitRange's min"},
		},
		"a limit that was only defaulted is no floor": {
			declared: container(app, list("100m", ""), nil), target: "800m", item: corev1.LimitRangeItem{Default: list("4", "")}, want: "cpu 800m/2",
		},
		"nor a ceiling": {
			declared: container(app, list("100m", ""), nil), target: "800m", item: corev1.LimitRangeItem{Default: list("500m", "")}, want: "cpu 800m/2",
		},
		"but what the request has to be under, where limits stay": {
			declared: container(app, list("100m", ""), nil), target: "800m", policy: vpav1.ContainerResourcePolicy{ControlledValues: &requestsOnly},
			item: corev1.LimitRangeItem{Default: list("500m", "")}, want: "cpu 500m/-", warnings: []string{"cpu: request 800m lowered to the limit 500m"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod, limits := podOf(tc.declared), ofContainers(tc.item)
			pod = pod.DeepCopy()
			arrive(pod, []*corev1.LimitRange{limits})
			got := decide(pod, vpaOf(list(tc.target, ""), tc.policy), byDefault, limits)
			require.Equal(t, []string{tc.want + ", memory -/-"}, told(got))
			require.Equal(t, tc.warnings, warningsBut(got, ByMaxAllowed))
		})
	}
}

// warningsBut are the warnings that are not of this reason.
func warningsBut(d Decision, by Reason) []string {
	var rest Decision
	for _, s := range d.Steps {
		if s.Reason != by {
			rest.Steps = append(rest.Steps, s)
		}
	}
	return warnings(rest)
}

func TestALimitOfExactlyTheRatioIsOneForTheLimitRangerToo(t *testing.T) {
	// 2.007 times 1 is 2.007, but not in float64, as the LimitRanger computes it.
	exactly := &span{ratio: 2007}
	require.EqualValues(t, 2006, exactly.mostFor(usage.CPU, 1000))
	require.EqualValues(t, 1001, exactly.leastFor(usage.CPU, 2007))
	for ratio := int64(1001); ratio < 9000; ratio += 7 {
		s := span{ratio: ratio}
		for request := int64(1); request < 2000; request += 13 {
			limit := s.mostFor(usage.CPU, request)
			if limit > request {
				require.False(t, s.exceeds(usage.CPU, request, limit), "ratio %d, request %d, limit %d", ratio, request, limit)
			}
			if least := s.leastFor(usage.CPU, limit); least < limit {
				require.False(t, s.exceeds(usage.CPU, least, limit), "ratio %d, request %d, limit %d", ratio, least, limit)
			}
		}
	}
}
