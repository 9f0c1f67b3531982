package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// respond is the answer to a body, without a network between.
func respond(h http.Handler, body string) (int, string) {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/pods?timeout=2s", strings.NewReader(body)))
	return recorder.Code, recorder.Body.String()
}

func TestWhatHasAUIDIsAllowedWhateverItsObject(t *testing.T) {
	const around = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","operation":"CREATE","resource":{"resource":"pods"}%s}}`
	for name, object := range map[string]string{
		"none":                   ``,
		"null":                   `,"object":null`,
		"a number":               `,"object":7`,
		"an empty one":           `,"object":{}`,
		"a list of no objects":   `,"object":{"spec":{"containers":[null,7,[],"x"]}}`,
		"metadata of no objects": `,"object":{"metadata":[],"spec":"x"}`,
		"annotations":            `,"object":{"metadata":{"annotations":{"vpaUpdates":{}}}}`,
		"owners":                 `,"object":{"metadata":{"ownerReferences":[{"controller":true,"kind":7},{"controller":true},null]}}`,
		"equal keys":             `,"object":{"spec":{"containers":[{"name":"a"}]},"spec":{"containers":[{"name":"b","name":"c"}]}}`,
		"deep nesting":           `,"object":{"x":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}`,
		"another's resources":    `,"object":{"spec":{"containers":[{"name":"shop","resources":{"requests":{"gpu":"lots"}}}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHandler(config(t, vpa("shop", recommend("shop", "1", "1Gi"))))
			status, text := respond(h, fmt.Sprintf(around, object))
			require.Equal(t, http.StatusOK, status, text)
			var answer admissionv1.AdmissionReview
			require.NoError(t, json.Unmarshal([]byte(text), &answer))
			require.True(t, answer.Response.Allowed)
			require.EqualValues(t, "u-1", answer.Response.UID)
			require.Zero(t, h.counted(Panicked))
		})
	}
}

func TestTheSameRequest200TimesGetsTheSameBytes(t *testing.T) {
	h := NewHandler(config(t, vpa("other"), vpa("shop", recommend("proxy", "9E", "64Mi"), recommend("shop", "1200m", "700Mi"))))
	body := fixture(t, "create-shop.json")
	_, want := respond(h, body)
	require.Contains(t, want, `"patch":"`)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 25 {
				if _, got := respond(h, body); got != want {
					t.Errorf("another answer: %s", got)
				}
			}
		})
	}
	group.Wait()
}

func TestAHundredContainersTakeLessThanFiveMilliseconds(t *testing.T) {
	pod, recommended := &corev1.Pod{}, vpa("shop")
	for i := range 100 {
		name := fmt.Sprintf("c-%d", 99-i)
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Resources: corev1.ResourceRequirements{
			Requests: recommend("", "100m", "64Mi").Target, Limits: recommend("", "1", "256Mi").Target,
		}})
		recommended.Status.Recommendation.ContainerRecommendations = append(recommended.Status.Recommendation.ContainerRecommendations, recommend(name, "750m", "300Mi"))
	}
	c := config(t, recommended)
	c.Log = logr.Discard()
	h, body, best := NewHandler(c), newReview(t, pod), time.Hour
	var text string
	for range 30 { // one of them is not disturbed by other tests
		start := time.Now()
		_, text = respond(h, body)
		best = min(best, time.Since(start))
	}
	require.Less(t, best, slowdown*5*time.Millisecond)

	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	var operations []struct{ Path string }
	require.NoError(t, json.Unmarshal(answer.Response.Patch, &operations))
	require.Len(t, operations, 1+100*4)
	for i := range 100 {
		require.True(t, strings.HasPrefix(operations[1+4*i].Path, fmt.Sprintf("/spec/containers/%d/", i)), operations[1+4*i].Path)
	}
}

func TestUnknownResourcesOfARecommendationAreDropped(t *testing.T) {
	odd := recommend("shop", "1200m", "700Mi")
	for _, name := range []corev1.ResourceName{"hugepages-2Mi", "vendor.com/gpu", "ephemeral-storage", "requests.cpu"} {
		odd.Target[name] = resource.MustParse("3")
	}
	h := start(t, config(t, vpa("shop", odd)))
	plain := start(t, config(t, vpa("shop", recommend("shop", "1200m", "700Mi"))))
	require.Equal(t, ask(t, plain, fixture(t, "create-shop.json")), ask(t, h, fixture(t, "create-shop.json")))
}

func TestReinvokedThreeTimesWithASidecarInBetweenItEndsAsAtOnce(t *testing.T) {
	h := start(t, config(t, vpa("shop", recommend("shop", "1200m", "700Mi"), recommend("mesh", "50m", "64Mi"))))
	sidecar := func(object map[string]any) {
		spec := object["spec"].(map[string]any)
		spec["containers"] = append(spec["containers"].([]any), map[string]any{"name": "mesh", "resources": map[string]any{"requests": map[string]any{"cpu": "10m"}}})
	}
	first := fixture(t, "create-shop.json")
	second := again(t, first, ask(t, h, first).Patch, sidecar)
	third := again(t, second, ask(t, h, second).Patch, func(map[string]any) {})
	require.Nil(t, ask(t, h, third).Patch)

	atOnce := again(t, first, []byte("[]"), sidecar)
	require.JSONEq(t, again(t, atOnce, ask(t, h, atOnce).Patch, func(o map[string]any) { delete(o["metadata"].(map[string]any), "annotations") }),
		again(t, third, []byte("[]"), func(o map[string]any) { delete(o["metadata"].(map[string]any), "annotations") }))
}

func TestAVPAThatIsTakenAwayInFlightGivesAllOrNothing(t *testing.T) {
	index := NewIndex(config(t).VPAs.(*Index).cluster, logr.Discard())
	c := config(t)
	c.VPAs, c.Log = index, logr.Discard()
	h, body := NewHandler(c), fixture(t, "create-shop.json")
	on, off := vpa("shop", recommend("shop", "1200m", "700Mi")), born(vpa("shop", recommend("shop", "1200m", "700Mi")), 0, vpav1.UpdateModeOff)
	_, nothing := respond(h, body)
	index.set(on)
	_, all := respond(h, body)
	require.NotEqual(t, nothing, all)

	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			switch i % 4 {
			case 0, 2:
				index.set(on)
			case 1:
				index.drop(on)
			default:
				index.set(off)
			}
		}
	})
	seen := map[string]int{}
	for len(seen) < 2 || seen[all]+seen[nothing] < 500 {
		_, got := respond(h, body)
		seen[got]++
		require.Contains(t, []string{all, nothing}, got)
	}
	close(done)
	group.Wait()
}

func TestTheVPAsThatDoNothingAreNamed(t *testing.T) {
	var vpas []*vpav1.VerticalPodAutoscaler
	for i := range 6 {
		vpas = append(vpas, born(vpa(fmt.Sprintf("vpa-%d", i), recommend("shop", "1200m", "700Mi")), int64(i), vpav1.UpdateModeInitial))
	}
	h := start(t, config(t, vpas[0], vpas[1]))
	require.Equal(t, []string{"VPA vpa-0: it is the oldest on this target; without effect: vpa-1"}, ask(t, h, fixture(t, "create-shop.json")).Warnings)
	h = start(t, config(t, vpas...))
	require.Equal(t, []string{"VPA vpa-0: it is the oldest on this target; without effect: vpa-1, vpa-2, vpa-3 and 2 more"}, ask(t, h, fixture(t, "create-shop.json")).Warnings)
}

func TestTheAuditLogIsToldWhatWasDecidedAndWhy(t *testing.T) {
	capped := vpa("shop", recommend("shop", "9", "9E"))
	capped.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "*", MaxAllowed: recommend("", "4", "4Gi").Target}}}
	h := start(t, config(t, capped))
	require.Equal(t, map[string]string{
		"decision": "patched", "vpa": "shop",
		"capped":  "container shop: cpu: recommended 9, bounded by maxAllowed 4",
		"skipped": "container shop: memory left as declared: recommended 9E is no sane amount",
	}, ask(t, h, fixture(t, "create-shop.json")).AuditAnnotations)
	require.EqualValues(t, 1, value(h.metrics.bounded.WithLabelValues("cpu", "capped", "MaxAllowed")))
	require.EqualValues(t, 1, value(h.metrics.bounded.WithLabelValues("memory", "skipped", "Absurd")))
}

func TestAPanicLeavesThePodAsDeclaredWithAWarning(t *testing.T) {
	c := config(t)
	c.Log = logr.Discard()
	c.Owners = ownersFunc(func(context.Context) (target.Controller, bool, error) { panic("a defect") })
	h := start(t, c)
	got := ask(t, h, fixture(t, "create-shop.json"))
	require.Nil(t, got.Patch)
	require.Equal(t, []string{"sartor: internal error, the pod's resources are left as declared"}, got.Warnings)
	require.EqualValues(t, 1, h.counted(Panicked))
}
