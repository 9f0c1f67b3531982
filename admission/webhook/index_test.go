package webhook

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/target"
)

func born(v *vpav1.VerticalPodAutoscaler, second int64, mode vpav1.UpdateMode) *vpav1.VerticalPodAutoscaler {
	v.CreationTimestamp = metav1.NewTime(time.Unix(second, 0))
	v.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: &mode}
	return v
}

func TestTheOldestVPAThatPatchesControls(t *testing.T) {
	index := NewIndex(logr.Discard())
	controlling := func() string {
		if v := index.Controlling(shop); v != nil {
			return v.Name
		}
		return ""
	}
	require.Empty(t, controlling())
	index.OnAdd(born(vpa("younger"), 2, vpav1.UpdateModeInitial), true)
	require.Equal(t, "younger", controlling())
	index.OnAdd(born(vpa("older"), 1, vpav1.UpdateModeRecreate), false)
	require.Equal(t, "older", controlling())
	index.OnUpdate(nil, born(vpa("older"), 1, vpav1.UpdateModeOff))
	require.Equal(t, "younger", controlling(), "mode Off stands in nobody's way")
	index.OnUpdate(nil, born(vpa("older"), 1, vpav1.UpdateModeRecreate))
	index.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: born(vpa("older"), 1, vpav1.UpdateModeRecreate)})
	require.Equal(t, "younger", controlling())

	moved := born(vpa("younger"), 2, vpav1.UpdateModeInitial)
	moved.Spec.TargetRef.Name = "elsewhere"
	index.OnUpdate(nil, moved)
	require.Empty(t, controlling())
	elsewhere := shop
	elsewhere.Name = "elsewhere"
	require.Equal(t, moved, index.Controlling(elsewhere))

	broken := moved.DeepCopy()
	broken.Spec.TargetRef = nil
	index.OnUpdate(nil, broken)
	require.Empty(t, index.targets, "nothing is left behind")
	require.Empty(t, index.home)
}

func TestTheIndexAgreesWithASearchThroughAllVPAs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		index := NewIndex(logr.Discard())
		all := map[string]*vpav1.VerticalPodAutoscaler{}
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			v := vpa(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name"))
			if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
				index.OnDelete(v)
				delete(all, v.Name)
				continue
			}
			born(v, rapid.Int64Range(1, 3).Draw(t, "age"), rapid.SampledFrom([]vpav1.UpdateMode{"Off", "Initial", "Auto"}).Draw(t, "mode"))
			v.Spec.TargetRef.Name = rapid.SampledFrom([]string{"shop", "elsewhere", ""}).Draw(t, "target")
			index.OnUpdate(nil, v)
			all[v.Name] = v
		}
		var candidates []*vpav1.VerticalPodAutoscaler
		for _, v := range all {
			if v.Spec.TargetRef.Name == "shop" && target.UpdateMode(v) != vpav1.UpdateModeOff {
				candidates = append(candidates, v)
			}
		}
		if want, got := target.Controlling(candidates), index.Controlling(shop); want != got {
			t.Fatalf("want %v, got %v", want, got)
		}
	})
}
