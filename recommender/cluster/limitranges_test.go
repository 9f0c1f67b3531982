package cluster

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

func limitRange(namespace, name string, items ...corev1.LimitRangeItem) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"a": "b"}},
		Spec:       corev1.LimitRangeSpec{Limits: items},
	}
}

func cores(n string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(n)}
}

func TestLimitRangesAreTheOnesThatUpstreamsUpdaterDoesNotApply(t *testing.T) {
	plain := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Min: cores("1"), Max: cores("2"), Default: cores("2"), DefaultRequest: cores("1")}
	ratio := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, MaxLimitRequestRatio: cores("2")}
	claim := corev1.LimitRangeItem{Type: corev1.LimitTypePersistentVolumeClaim, MaxLimitRequestRatio: cores("2")}
	pod := corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: cores("2")}
	for name, tc := range map[string]struct {
		ranges []*corev1.LimitRange
		counts int
	}{
		"none":                 {nil, 0},
		"bounds of containers": {[]*corev1.LimitRange{limitRange("store", "a", plain)}, 0},
		"claims":               {[]*corev1.LimitRange{limitRange("store", "a", claim)}, 0},
		"of another namespace": {[]*corev1.LimitRange{limitRange("till", "a", ratio)}, 0},
		"a ratio":              {[]*corev1.LimitRange{limitRange("store", "a", plain, ratio)}, 1},
		"one of two, with all": {[]*corev1.LimitRange{limitRange("store", "b", plain), limitRange("store", "a", pod)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var want *policy.Ranges
			if tc.counts > 0 {
				want = policy.RangesOf(tc.ranges)
			}
			listed, watched := clusterOf(newHerd()), clusterOf(newHerd())
			listed.limitRanges.replace([]*corev1.LimitRange{limitRange("store", "old", pod)})
			listed.limitRanges.replace(tc.ranges)
			require.Equal(t, want, listed.LimitRanges("store"))
			for _, r := range tc.ranges {
				watched.limitRanges.set(limitRange(r.Namespace, r.Name, pod)) // and then it changes
				watched.limitRanges.set(cutLimitRange(r))
			}
			require.Equal(t, want, watched.LimitRanges("store"))
			for _, r := range tc.ranges {
				watched.limitRanges.drop(r)
			}
			require.Nil(t, watched.LimitRanges("store"))
			require.Empty(t, watched.limitRanges.byName)
			watched.limitRanges.drop(limitRange("never", "seen"))
		})
	}
}

func TestLimitRangesAreWatched(t *testing.T) {
	s := newSources()
	s.limitRanges.set(&corev1.LimitRangeList{Items: []corev1.LimitRange{*limitRange("store", "a", corev1.LimitRangeItem{Type: corev1.LimitTypePod})}}, nil)
	c := s.start(t, logr.Discard())
	require.NoError(t, c.WaitForSync(within(t)))
	require.NotNil(t, c.LimitRanges("store"))
	require.Nil(t, c.LimitRanges("till"))
}
