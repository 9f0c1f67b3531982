package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

func born(v *vpav1.VerticalPodAutoscaler, second int64, mode vpav1.UpdateMode) *vpav1.VerticalPodAutoscaler {
	v.CreationTimestamp = metav1.NewTime(time.Unix(second, 0))
	v.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: &mode}
	return v
}

func TestTheOldestVPAThatPatchesControls(t *testing.T) {
	index := NewIndex(policy.Cluster{}, logr.Discard())
	controlling := func() string {
		if v := index.Controlling(shop); v != nil {
			return v.Name
		}
		return ""
	}
	require.Empty(t, controlling())
	index.set(born(vpa("younger"), 2, vpav1.UpdateModeInitial))
	require.Equal(t, "younger", controlling())
	index.set(born(vpa("older"), 1, vpav1.UpdateModeRecreate))
	require.Equal(t, "older", controlling())
	index.set(born(vpa("older"), 1, vpav1.UpdateModeOff))
	require.Equal(t, "younger", controlling(), "mode Off stands in nobody's way")
	index.set(born(vpa("older"), 1, vpav1.UpdateModeRecreate))
	index.drop(born(vpa("older"), 1, vpav1.UpdateModeRecreate))
	require.Equal(t, "younger", controlling())

	moved := born(vpa("younger"), 2, vpav1.UpdateModeInitial)
	moved.Spec.TargetRef.Name = "elsewhere"
	index.set(moved)
	require.Empty(t, controlling())
	elsewhere := shop
	elsewhere.Name = "elsewhere"
	require.Same(t, moved, index.Controlling(elsewhere).vpa)

	broken := moved.DeepCopy()
	broken.Spec.TargetRef = nil
	index.set(broken)
	require.Empty(t, index.targets, "nothing is left behind")
	require.Empty(t, index.home)
}

func TestTheIndexAgreesWithASearchThroughAllVPAs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		index := NewIndex(policy.Cluster{}, logr.Discard())
		all := map[string]*vpav1.VerticalPodAutoscaler{}
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			v := vpa(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name"), recommend("shop", rapid.SampledFrom([]string{"1", "2"}).Draw(t, "cpu"), "1Gi"))
			if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
				index.drop(v)
				delete(all, v.Name)
				continue
			}
			born(v, rapid.Int64Range(1, 3).Draw(t, "age"), rapid.SampledFrom([]vpav1.UpdateMode{"Off", "Initial", "Auto"}).Draw(t, "mode"))
			v.Spec.TargetRef.Name = rapid.SampledFrom([]string{"shop", "elsewhere", ""}).Draw(t, "target")
			index.set(v)
			all[v.Name] = v
		}
		var candidates []*vpav1.VerticalPodAutoscaler
		for _, v := range all {
			if v.Spec.TargetRef.Name == "shop" && target.UpdateMode(v) != vpav1.UpdateModeOff {
				candidates = append(candidates, v)
			}
		}
		want, got := target.Controlling(candidates), index.Controlling(shop)
		if want == nil {
			require.Nil(t, got)
			return
		}
		require.Same(t, want, got.vpa)
		require.Equal(t, policy.RulesOf(want, want.Status.Recommendation, policy.Cluster{}), got.Rules)
		_, others, _ := strings.Cut(got.Others, "without effect: ")
		for _, v := range candidates {
			require.Equal(t, v != want, strings.Contains(others, v.Name))
		}
	})
}
