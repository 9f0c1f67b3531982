package loop

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "store", Name: name}
}

// explained compares an explanation by the running loop with a file, which the table's tests read, too.
func (w *world) explained(name string) *Explanation {
	w.t.Helper()
	e, err := w.loop.explain(named(name))
	return w.goldenExplanation(e, err)
}

// explainedOnce is explained by a process that only explains, as after a restart.
func (w *world) explainedOnce(name string) *Explanation {
	w.t.Helper()
	e, err := w.loop.ExplainOnce(context.Background(), named(name))
	return w.goldenExplanation(e, err)
}

func (w *world) goldenExplanation(e *Explanation, err error) *Explanation {
	w.t.Helper()
	require.NoError(w.t, err)
	text, err := json.MarshalIndent(e, "", "  ")
	require.NoError(w.t, err)
	w.goldenText(string(text)+"\n", ".json")
	return e
}

func TestWhatCheckpointsHoldIsExplained(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useForHours(3*24-2, "shop", "shop", 480, 700)
	w.useFor(15, "shop", "shop", 480, 700)
	saved, writes, saves := w.loop.vpas[named("shop")].covered.To, w.writes, w.saves
	require.NotZero(t, saved)

	w.clock = w.clock.Add(4 * time.Minute)
	w.restart(false)
	e := w.explainedOnce("shop")
	require.False(t, e.Live)
	require.Equal(t, saved.UTC(), e.History.LastCheckpoint)
	require.Equal(t, "3 days in checkpoints", e.Containers[0].Source)
	require.False(t, e.Containers[0].Held, "it is recomputed")
	require.Equal(t, e.Containers[0].Resources[0].Published, e.Containers[0].Resources[0].Target)
	require.Equal(t, []int{writes, saves}, []int{w.writes, w.saves}, "nothing is written")
}

func TestTheCheckpointOfAVPAThatIsFreshIsExplained(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.CreationTimestamp = metav1.NewTime(w.clock) })
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.tick()
	require.Len(t, w.saved, 1)
	w.clock = w.clock.Add(-30 * time.Second)
	w.restart(false)
	e, err := w.loop.ExplainOnce(context.Background(), named("shop"))
	require.NoError(t, err)
	require.Equal(t, "less than a day in checkpoints", e.Containers[0].Source)
	require.Equal(t, w.clock.UTC(), e.At)
	require.Equal(t, w.clock.Add(-30*time.Second).UTC(), e.History.LastCheckpoint)
}

func TestWithoutACheckpointOnlyWhatIsPublishedIsKnown(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useForHours(30, "shop", "shop", 480, 700)
	clear(w.saved)
	w.restart(false)
	e := w.explainedOnce("shop")
	require.Zero(t, e.History.LastCheckpoint)
	for _, r := range e.Containers[0].Resources {
		require.Equal(t, "no checkpoint has usage of it yet", r.Missing)
		require.Nil(t, r.Target)
		require.NotNil(t, r.Published)
	}
}

func TestACandidateIsExplainedByItsPrimary(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.vpa("shop-rc", func(v *vpav1.VerticalPodAutoscaler) {
		bounded(list("100m", "512Mi"), list("400m", "4Gi"))(v)
	})
	w.pod("shop", "shop")
	w.pod("shop-rc", "shop-rc")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.answer("shop-rc", "shop-rc", 200, 300)
	w.tick()
	e := w.explained("shop-rc")
	require.True(t, e.Live)
	require.Equal(t, "shop", e.Inheritance.Primary)
}

func TestWhatIsNotRecommendedIsExplainedToo(t *testing.T) {
	w := newWorld(t, false)
	off, requests := vpav1.ContainerScalingModeOff, []corev1.ResourceName{corev1.ResourceCPU}
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
		v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
			{ContainerName: "proxy", Mode: &off},
			{ContainerName: "shop", ControlledResources: &requests},
		}}
	})
	w.pod("shop", "shop", "proxy", "idle")
	w.use("shop", "shop", 480, 700)
	w.use("shop", "proxy", 100, 100)
	w.tick()
	e := w.explained("shop")
	missing := map[string][]string{}
	for _, c := range e.Containers {
		for _, r := range c.Resources {
			missing[c.Name] = append(missing[c.Name], r.Missing)
		}
	}
	require.Equal(t, map[string][]string{
		"idle":  {"no usage of it has been measured yet", "no usage of it has been measured yet"},
		"proxy": {"spec.resourcePolicy has mode Off for it", "spec.resourcePolicy has mode Off for it"},
		"shop":  {"", "spec.resourcePolicy leaves it out of controlledResources"},
	}, missing)
}

func TestWhyThereIsNothingDependsOnWhatIsToCome(t *testing.T) {
	reading := newWorld(t, true)
	reading.vpa("shop", nil)
	reading.pod("shop", "shop")
	reading.tick()
	e, err := reading.loop.explain(named("shop"))
	require.NoError(t, err)
	require.Equal(t, "history is being read; nothing is published before", e.Containers[0].Resources[0].Missing)

	scaled := newWorld(t, false)
	o := options()
	o.SkipHPAConflicts = true
	scaled.startWith(o, nil)
	scaled.hpas[target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}] = []cluster.HPA{{Name: "shop", CPU: true}}
	scaled.vpa("shop", nil)
	scaled.pod("shop", "shop")
	scaled.use("shop", "shop", 480, 700)
	scaled.tick()
	e, err = scaled.loop.explain(named("shop"))
	require.NoError(t, err)
	require.Equal(t, "an HPA scales on it, and --hpa-conflict=skip leaves it to that", e.Containers[0].Resources[0].Missing)
	require.Empty(t, e.Containers[0].Resources[1].Missing)
	require.Equal(t, "HPA shop on cpu", e.HPAs)
}

func TestAContainerThatIsGoneIsExplainedWhileItIsPublished(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.tick()
	w.kill("shop")
	w.pod("shop", "web")
	w.loop.match(context.Background())
	e, err := w.loop.explain(named("shop"))
	require.NoError(t, err)
	require.Len(t, e.Containers, 2)
	require.Equal(t, "no pod has this container any more", e.Containers[0].Resources[0].Missing)
	require.Equal(t, "587m", e.Containers[0].Resources[0].Published.String())
	require.Equal(t, "web", e.Containers[1].Name)
}

func TestAVPAThatIsNotWorkedOnIsToldApartFromOneThatIsNot(t *testing.T) {
	w := newWorld(t, false)
	w.others[named("till")] = true
	w.vpa("broken", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef = nil })
	w.tick()
	var unknown *UnknownVPAError
	_, err := w.loop.explain(named("till"))
	require.ErrorAs(t, err, &unknown)
	require.ErrorContains(t, err, "VPA store/till is not this recommender's: its spec.recommenders names another one")
	_, err = w.loop.explain(named("tlil"))
	require.ErrorAs(t, err, &unknown)
	require.ErrorContains(t, err, "there is no VPA store/tlil that this recommender works on: see kubectl get vpa -n store")
	_, err = w.loop.explain(named("broken"))
	require.ErrorContains(t, err, "VPA store/broken: spec.targetRef is missing")
}
