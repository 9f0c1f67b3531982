package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned"
	"k8s.io/client-go/rest"
)

// atOnce is how long anything may take here: what is guarded against takes minutes.
const atOnce = 5 * time.Second

const (
	good = `{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscaler","metadata":{"name":"good","namespace":"shop"},"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"good"},"resourcePolicy":{"containerPolicies":[{"minAllowed":{"cpu":"100m","memory":1073741824}}]}},"status":{"recommendation":{"containerRecommendations":[{"containerName":"app","target":{"cpu":"1"}}]}}}`
	// These hold one thing that may be odd.
	oddSpec   = `{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscaler","metadata":{"name":"odd","namespace":"shop","annotations":{"a":"b"}},"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"odd"},"recommenders":[{"name":"mine"}],"resourcePolicy":{"containerPolicies":[{},{"minAllowed":{"cpu":%s}}]}},"status":{"conditions":[{"type":"Kept","status":"True"}],"recommendation":{"containerRecommendations":[{"containerName":"app","target":{"cpu":"1"}}]}}}`
	oddStatus = `{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscaler","metadata":{"name":"odd","namespace":"shop"},"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"odd"}},"status":{"observedGeneration":7,"conditions":[{"type":"Kept","status":"True"}],"recommendation":{"containerRecommendations":[{"containerName":"app","uncappedTarget":{"cpu":%s}}]}}}`
	oddTime   = `{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscaler","metadata":{"name":"odd","namespace":"shop"},"spec":{},"status":{"observedGeneration":7,"conditions":[{"type":"a","lastTransitionTime":"2026-11-22T10:00:00+25:00"}],"recommendation":{}}}`
)

// slow are quantities that the API server lets through, and that cannot be read, or only in minutes.
func slow() map[string]string {
	return map[string]string{
		"1e-100000000": `"1e-100000000"`, "1e1.5": `"1e1.5"`, "1e-.5": `"1e-.5"`, "1e99999999999999999999": `"1e99999999999999999999"`,
		"digits": `"` + strings.Repeat("9", 3<<20) + `"`, "zeros": `"0.` + strings.Repeat("0", 3<<20) + `1"`,
		"spaces": `" 1e-100000000\n"`, "escaped": `"\u0031e-100000000"`, "a number": `1e-100000000`,
	}
}

// serve returns a client of a server that always answers with body.
func serve(t *testing.T, body string) *versioned.Clientset {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL + "/behind/a/proxy"}
	Wrap(config)
	client, err := versioned.NewForConfig(config)
	require.NoError(t, err)
	return client
}

func list(items ...string) string {
	return `{"apiVersion":"autoscaling.k8s.io/v1","items":[` + strings.Join(items, ",") + `],"kind":"VerticalPodAutoscalerList","metadata":{"resourceVersion":"5"}}`
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), atOnce)
	t.Cleanup(cancel)
	return ctx
}

func TestAQuantityThatCannotBeReadStopsNobodyElse(t *testing.T) {
	for name, quantity := range slow() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := fmt.Sprintf(oddSpec, quantity)
			client := serve(t, list(good, bad, good)).AutoscalingV1().VerticalPodAutoscalers("shop")
			got, err := client.List(within(t), metav1.ListOptions{})
			require.NoError(t, err)
			require.Len(t, got.Items, 3)
			require.Equal(t, "5", got.ResourceVersion)
			require.Equal(t, "1", got.Items[2].Status.Recommendation.ContainerRecommendations[0].Target.Cpu().String())
			require.NoError(t, Unreadable(&got.Items[0]))

			odd := &got.Items[1]
			require.ErrorContains(t, Unreadable(odd), `spec.resourcePolicy.containerPolicies[1].minAllowed.cpu: "`)
			require.ErrorContains(t, Unreadable(odd), "use one such as 250m or 1Gi")
			require.Less(t, len(Unreadable(odd).Error()), 400)
			require.NoError(t, UnreadableStatus(odd))
			require.Equal(t, "b", odd.Annotations["a"])
			require.Equal(t, "odd", odd.Spec.TargetRef.Name, "whose it is and what it is for is known")
			require.Equal(t, "mine", odd.Spec.Recommenders[0].Name)
			require.Nil(t, odd.Spec.ResourcePolicy)
			require.Nil(t, odd.Status.Recommendation, "nobody acts on half a policy")
			require.Len(t, odd.Status.Conditions, 1)
		})
	}
}

func TestAStatusThatCannotBeReadIsNone(t *testing.T) {
	for name, quantity := range slow() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, fmt.Sprintf(oddStatus, quantity)).AutoscalingV1().VerticalPodAutoscalers("shop")
			odd, err := client.Get(within(t), "odd", metav1.GetOptions{})
			require.NoError(t, err)
			require.NoError(t, Unreadable(odd))
			require.ErrorContains(t, UnreadableStatus(odd), "status.recommendation.containerRecommendations[0].uncappedTarget.cpu: ")
			require.Nil(t, odd.Status.Recommendation)
			require.Len(t, odd.Status.Conditions, 1)
			require.EqualValues(t, 7, *odd.Status.ObservedGeneration)
			odd, err = client.Patch(within(t), "odd", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{}, "status")
			require.NoError(t, err, "the answer to a write is guarded, too")
			require.Error(t, UnreadableStatus(odd))
		})
	}
}

func TestATimeThatCannotBeReadIsNamedByItsField(t *testing.T) {
	odd, err := serve(t, oddTime).AutoscalingV1().VerticalPodAutoscalers("shop").Get(within(t), "odd", metav1.GetOptions{})
	require.NoError(t, err)
	require.ErrorContains(t, UnreadableStatus(odd), "status.conditions cannot be read: parsing time")
	require.ErrorContains(t, UnreadableStatus(odd), "kubectl explain vpa.status.conditions")
	require.NotNil(t, odd.Status.Recommendation)
}

func TestEventsComeAsTheyHappen(t *testing.T) {
	events := make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for {
			_ = http.NewResponseController(w).Flush()
			select {
			case event := <-events:
				_, _ = io.WriteString(w, event)
			case <-r.Context().Done():
				return
			}
		}
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	Wrap(config)
	client, err := versioned.NewForConfig(config)
	require.NoError(t, err)
	watch, err := client.AutoscalingV1().VerticalPodAutoscalers("shop").Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	defer watch.Stop()
	next := func(object string) *vpav1.VerticalPodAutoscaler {
		events <- `{"type":"MODIFIED","object":` + object + `}`
		select {
		case event := <-watch.ResultChan():
			require.EqualValues(t, "MODIFIED", event.Type)
			return event.Object.(*vpav1.VerticalPodAutoscaler)
		case <-within(t).Done():
			t.Fatal("no event")
			return nil
		}
	}
	require.NoError(t, Unreadable(next(good)))
	require.Error(t, Unreadable(next(fmt.Sprintf(oddSpec, `"1e-100000000"`))))
	require.Error(t, UnreadableStatus(next(fmt.Sprintf(oddStatus, `"1e-100000000"`))))
	require.NoError(t, Unreadable(next(good)))

	events <- `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}`
	require.Equal(t, metav1.StatusReasonExpired, (<-watch.ResultChan()).Object.(*metav1.Status).Reason)
}

func TestACheckpointThatCannotBeReadIsEmpty(t *testing.T) {
	checkpoint := func(weights string) string {
		return `{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscalerCheckpoint","metadata":{"name":"a"},"spec":{"vpaObjectName":"shop","containerName":"app"},"status":{"version":"v3","cpuHistogram":{"bucketWeights":` + weights + `}}}`
	}
	bad := []string{`{"a":"b"}`, `{"1":-1}`, `{"1":5000000000}`, `{"1":1.5}`, `{"1":{}}`, `"x"`, strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)}
	items := []string{checkpoint(`{"1":10000}`)}
	for _, weights := range bad {
		items = append(items, checkpoint(weights))
	}
	all := strings.Replace(list(items...), "VerticalPodAutoscalerList", "VerticalPodAutoscalerCheckpointList", 1)
	got, err := serve(t, all).AutoscalingV1().VerticalPodAutoscalerCheckpoints("shop").List(within(t), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, uint32(10000), got.Items[0].Status.CPUHistogram.BucketWeights[1])
	for _, item := range got.Items[1:] {
		require.Equal(t, vpav1.VerticalPodAutoscalerCheckpointStatus{}, item.Status)
		require.Equal(t, "shop", item.Spec.VPAObjectName)
	}
}

func TestWhatIsReadableComesAsItIs(t *testing.T) {
	partial := `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","annotations":{"x":"1e-100000000"}}}`
	for name, body := range map[string]string{
		"an object": good, "a list": list(good, good), "an empty list": list(), "metadata": partial, "a status": `{"kind":"Status","status":"Success"}`,
		"items that are no list": `{"items":{"a":1},"kind":"Other"}`, "null items": `{"items":null,"kind":"VerticalPodAutoscalerList"}`, "no object": `[1,"x"]`, "nothing": ``,
		"no quantity is looked for in annotations": strings.Replace(good, `"name":"good"`, `"name":"good","annotations":{"quantity":"1e-100000000"}`, 1),
	} {
		for piece, reader := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			got, err := io.ReadAll(newFilter(io.NopCloser(reader(strings.NewReader(body))), &vpas, false))
			require.NoError(t, err, name, piece)
			require.Equal(t, body, strings.TrimSuffix(string(got), "\n"), name, piece)
		}
	}
	stream := `{"type":"ADDED","object":` + good + `}` + "\n" + `{"type":"BOOKMARK","object":` + partial + `}` + "\n"
	got, err := io.ReadAll(newFilter(io.NopCloser(iotest.OneByteReader(strings.NewReader(stream))), &vpas, true))
	require.NoError(t, err)
	require.Equal(t, stream, string(got))
}

func TestABodyThatIsCutOffIsAnError(t *testing.T) {
	for _, watch := range []bool{false, true} {
		for _, body := range []string{list(good), good} {
			for _, length := range []int{1, 10, 45, 100, len(body) - 1} {
				_, err := io.ReadAll(newFilter(io.NopCloser(strings.NewReader(body[:length])), &vpas, watch))
				require.Error(t, err, body[:length])
				require.NotErrorIs(t, err, io.EOF)
			}
		}
	}
}

func TestOnlyVPAsAndCheckpointsAreGuarded(t *testing.T) {
	for path, want := range map[string]*kind{
		"/apis/autoscaling.k8s.io/v1/verticalpodautoscalers":                               &vpas,
		"/k8s/apis/autoscaling.k8s.io/v1/namespaces/x/verticalpodautoscalers/a/status":     &vpas,
		"/apis/autoscaling.k8s.io/v1/namespaces/x/verticalpodautoscalercheckpoints/a":      &checkpoints,
		"/apis/autoscaling.k8s.io/v1":                                                      nil,
		"/api/v1/namespaces/verticalpodautoscalers/pods":                                   nil,
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/verticalpodautoscalers.x": nil,
	} {
		require.Same(t, want, kindAt(path), path)
	}
	for header, want := range map[string]bool{"application/json": true, "application/json;charset=utf-8": true, "application/vnd.kubernetes.protobuf": false, "": false} {
		require.Equal(t, want, guarded(&http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {header}}}), header)
		require.False(t, guarded(&http.Response{StatusCode: 404, Header: http.Header{"Content-Type": {header}}}), header)
	}
}

// BenchmarkAnObject is what a VPA costs that is readable, as nearly all are.
func BenchmarkAnObject(b *testing.B) {
	var vpa vpav1.VerticalPodAutoscaler
	require.NoError(b, json.Unmarshal([]byte(good), &vpa))
	for range 3 {
		vpa.Status.Recommendation.ContainerRecommendations = append(vpa.Status.Recommendation.ContainerRecommendations, vpa.Status.Recommendation.ContainerRecommendations[0])
		vpa.Status.Conditions = append(vpa.Status.Conditions, vpav1.VerticalPodAutoscalerCondition{Type: "RecommendationProvided", Status: corev1.ConditionTrue, Message: strings.Repeat("as it is told ", 40)})
	}
	object, err := json.Marshal(&vpa)
	require.NoError(b, err)
	b.SetBytes(int64(len(object)))
	b.ReportAllocs()
	for b.Loop() {
		vpas.guard(object)
	}
}
