package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/tools/events"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/target"
)

func vpa(namespace, name string) *vpav1.VerticalPodAutoscaler {
	return &vpav1.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name), Generation: 1}}
}

func vpaNames(vpas []*vpav1.VerticalPodAutoscaler) []string {
	var names []string
	for _, v := range vpas {
		names = append(names, v.Namespace+"/"+v.Name)
	}
	return names
}

func TestVPAsAreThoseToWorkOnByName(t *testing.T) {
	c := clusterOf(newHerd())
	c.vpas.replace([]*vpav1.VerticalPodAutoscaler{vpa("b", "x"), vpa("a", "y"), vpa("a", "x"), vpa("c", "x"), vpa("d", "x")})
	c.vpas.set(vpa("a", "w"))
	c.vpas.drop(vpa("d", "x"))
	for name, tc := range map[string]struct {
		options Options
		want    []string
	}{
		"all":                  {Options{}, []string{"a/w", "a/x", "a/y", "b/x", "c/x"}},
		"one namespace":        {Options{Namespace: "b"}, []string{"b/x"}},
		"not some namespaces":  {Options{Ignored: []string{"b", "c"}}, []string{"a/w", "a/x", "a/y"}},
		"those of this shard":  {Options{Owns: func(v *vpav1.VerticalPodAutoscaler) bool { return v.Name == "x" }}, []string{"a/x", "b/x", "c/x"}},
		"one that is left out": {Options{Namespace: "b", Ignored: []string{"b"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.options = tc.options
			got, err := c.VPAs(context.Background())
			require.NoError(t, err)
			require.Equal(t, tc.want, vpaNames(got))
		})
	}
}

func TestVPAsAreTheSameObjectsEachTime(t *testing.T) {
	c := clusterOf(newHerd())
	c.vpas.set(vpa("a", "x"))
	one, _ := c.VPAs(context.Background())
	other, _ := c.VPAs(context.Background())
	require.Same(t, one[0], other[0])
}

func TestAChangeIsSignalledWhenSomebodyWantsAnotherThing(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*vpav1.VerticalPodAutoscaler)
		want   bool
	}{
		"nothing":         {func(*vpav1.VerticalPodAutoscaler) {}, false},
		"our own status":  {func(v *vpav1.VerticalPodAutoscaler) { v.ResourceVersion = "2" }, false},
		"labels":          {func(v *vpav1.VerticalPodAutoscaler) { v.Labels = map[string]string{"a": "b"} }, false},
		"spec":            {func(v *vpav1.VerticalPodAutoscaler) { v.Generation = 2 }, true},
		"created again":   {func(v *vpav1.VerticalPodAutoscaler) { v.UID = "other" }, true},
		"annotated":       {func(v *vpav1.VerticalPodAutoscaler) { v.Annotations = map[string]string{"sartor.dev/inherit": "false"} }, true},
		"another of them": {func(v *vpav1.VerticalPodAutoscaler) { v.Name = "y" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			for how, tell := range map[string]func(*vpas, *vpav1.VerticalPodAutoscaler){
				"watched":   (*vpas).set,
				"re-listed": func(v *vpas, vpa *vpav1.VerticalPodAutoscaler) { v.replace([]*vpav1.VerticalPodAutoscaler{vpa}) },
			} {
				c := clusterOf(newHerd())
				c.vpas.set(vpa("a", "x"))
				<-c.Changed()
				changed := vpa("a", "x")
				tc.change(changed)
				tell(c.vpas, changed)
				require.Equal(t, tc.want, len(c.Changed()) == 1, how)
			}
		})
	}
	c := clusterOf(newHerd())
	c.vpas.drop(vpa("a", "x"))
	require.Empty(t, c.Changed(), "one that was not known")
	c.vpas.set(vpa("a", "x"))
	<-c.Changed()
	c.vpas.drop(vpa("a", "x"))
	require.Len(t, c.Changed(), 1)
}

func scales(name, kind, of string, metrics ...autoscalingv2.MetricSpec) *autoscalingv2.HorizontalPodAutoscaler {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: name}}
	hpa.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: kind, Name: of}
	hpa.Spec.Metrics = metrics
	return hpa
}

func onResource(name corev1.ResourceName) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: name}}
}

func onContainer(name corev1.ResourceName) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: name, Container: "shop"}}
}

func TestOnlyMetricsOfWhatPodsRequestAreAConflict(t *testing.T) {
	shop := target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}
	for name, tc := range map[string]struct {
		metrics []autoscalingv2.MetricSpec
		want    []HPA
	}{
		"requests per second":     {[]autoscalingv2.MetricSpec{{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{}}}, nil},
		"queue length":            {[]autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType}}, nil},
		"cpu":                     {[]autoscalingv2.MetricSpec{onResource("cpu")}, []HPA{{Name: "h", CPU: true}}},
		"memory of one":           {[]autoscalingv2.MetricSpec{onContainer("memory")}, []HPA{{Name: "h", Memory: true}}},
		"both, and the queue":     {[]autoscalingv2.MetricSpec{onContainer("cpu"), {Type: autoscalingv2.ExternalMetricSourceType}, onResource("memory")}, []HPA{{Name: "h", CPU: true, Memory: true}}},
		"another resource":        {[]autoscalingv2.MetricSpec{onResource("nvidia.com/gpu")}, nil},
		"a type without a source": {[]autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := clusterOf(newHerd())
			c.hpas.set(cutHPA(scales("h", "Deployment", "shop", tc.metrics...)))
			require.Equal(t, tc.want, c.HPAs(shop))
		})
	}
}

func TestHPAsAreFoundByWhatTheyScale(t *testing.T) {
	c := clusterOf(newHerd())
	rapid.Check(t, func(t *rapid.T) {
		c.hpas.replace(nil)
		are := map[string]*autoscalingv2.HorizontalPodAutoscaler{}
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			hpa := scales(name, "Deployment", rapid.SampledFrom([]string{"shop", "till", ""}).Draw(t, "of"))
			if rapid.Bool().Draw(t, "cpu") {
				hpa.Spec.Metrics = append(hpa.Spec.Metrics, onResource("cpu"))
			}
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				c.hpas.drop(hpa)
				delete(are, name)
			case 1:
				c.hpas.replace([]*autoscalingv2.HorizontalPodAutoscaler{hpa})
				are = map[string]*autoscalingv2.HorizontalPodAutoscaler{name: hpa}
			default:
				c.hpas.set(hpa)
				are[name] = hpa
			}
		}
		for _, of := range []string{"shop", "till"} {
			var want []HPA
			for _, name := range []string{"a", "b", "c"} {
				if hpa := are[name]; hpa != nil && hpa.Spec.ScaleTargetRef.Name == of && len(hpa.Spec.Metrics) > 0 {
					want = append(want, HPA{Name: name, CPU: true})
				}
			}
			require.Equal(t, want, c.HPAs(target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: of}))
		}
	})
}

func TestAnEventSaysWhatItIsToldWordByWord(t *testing.T) {
	recorder := events.NewFakeRecorder(1)
	c := &Cluster{recorder: recorder}
	c.Event(vpa("store", "shop"), corev1.EventTypeWarning, "Capped", "100 % of %s")
	require.Equal(t, "Warning Capped 100 % of %s", <-recorder.Events)
}

func TestALongMessageIsCutBetweenCharacters(t *testing.T) {
	require.Equal(t, "short", cutNote("short"))
	for length := range 6 {
		got := cutNote(strings.Repeat("a", length) + strings.Repeat("€", 400))
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, len(got), maxNote)
		require.Greater(t, len(got), maxNote-4)
		require.True(t, strings.HasSuffix(got, "€..."), fmt.Sprint(length))
	}
}
