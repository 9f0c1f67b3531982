package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/target"
)

func TestAPodGetsItsRecommendation(t *testing.T) {
	h := start(t, config(t, vpa("shop", recommend("shop", "1200m", "700Mi"), recommend("absent", "1", "1Gi"))))
	got := ask(t, h, fixture(t, "create-shop.json"))
	require.JSONEq(t, `[
		{"op": "add", "path": "/metadata/annotations", "value": {
			"sartor.dev/declared": "{\"proxy\":{},\"shop\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"100m\",\"memory\":\"512Mi\"}}}",
			"vpaObservedContainers": "shop, proxy",
			"vpaUpdates": "Pod resources updated by shop: container 0: cpu request, memory request, cpu limit, memory limit"}},
		{"op": "add", "path": "/spec/containers/0/resources/limits/cpu", "value": "3"},
		{"op": "add", "path": "/spec/containers/0/resources/limits/memory", "value": "1400Mi"},
		{"op": "add", "path": "/spec/containers/0/resources/requests/cpu", "value": "1200m"},
		{"op": "add", "path": "/spec/containers/0/resources/requests/memory", "value": "700Mi"}
	]`, string(got.Patch))
	require.Empty(t, got.Warnings)
	require.EqualValues(t, 1, h.counted(Patched))
}

func TestTheSameRequestGetsTheSameAnswer(t *testing.T) {
	h := start(t, config(t, vpa("shop", recommend("proxy", "50m", "64Mi"), recommend("shop", "1200m", "700Mi"))))
	want := ask(t, h, fixture(t, "create-shop.json"))
	for range 50 {
		require.Equal(t, want, ask(t, h, fixture(t, "create-shop.json")))
	}
	dry := strings.Replace(fixture(t, "create-shop.json"), `"dryRun": false`, `"dryRun": true`, 1)
	require.Equal(t, want, ask(t, h, dry), "a dry run shows what would be")
}

// again is the review that the API server sends once more, after the patch and what edit does.
func again(t *testing.T, review string, patch []byte, edit func(object map[string]any)) string {
	var whole map[string]any
	require.NoError(t, json.Unmarshal([]byte(review), &whole))
	request := whole["request"].(map[string]any)
	object, err := json.Marshal(request["object"])
	require.NoError(t, err)
	operations, err := jsonpatch.DecodePatch(patch)
	require.NoError(t, err)
	object, err = operations.Apply(object)
	require.NoError(t, err)
	var patched map[string]any
	require.NoError(t, json.Unmarshal(object, &patched))
	edit(patched)
	request["object"] = patched
	text, err := json.Marshal(whole)
	require.NoError(t, err)
	return string(text)
}

func TestAskedAgainItChangesNothing(t *testing.T) {
	h := start(t, config(t, vpa("shop", recommend("shop", "1200m", "700Mi"))))
	first := fixture(t, "create-shop.json")
	second := again(t, first, ask(t, h, first).Patch, func(map[string]any) {})
	require.Nil(t, ask(t, h, second).Patch)
	require.EqualValues(t, 1, h.counted(Unchanged))
}

func TestASidecarAddedInBetweenIsRecordedAndTheRestStays(t *testing.T) {
	h := start(t, config(t, vpa("shop", recommend("shop", "1200m", "700Mi"))))
	first := fixture(t, "create-shop.json")
	second := again(t, first, ask(t, h, first).Patch, func(object map[string]any) {
		spec := object["spec"].(map[string]any)
		spec["containers"] = append(spec["containers"].([]any), map[string]any{"name": "mesh", "resources": map[string]any{"requests": map[string]any{"cpu": "10m"}}})
	})
	got := ask(t, h, second)
	require.JSONEq(t, `[
		{"op": "add", "path": "/metadata/annotations/sartor.dev~1declared", "value": "{\"mesh\":{\"requests\":{\"cpu\":\"10m\"}},\"proxy\":{},\"shop\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"100m\",\"memory\":\"512Mi\"}}}"},
		{"op": "add", "path": "/metadata/annotations/vpaObservedContainers", "value": "shop, proxy, mesh"}
	]`, string(got.Patch))
	require.Nil(t, ask(t, h, again(t, second, got.Patch, func(map[string]any) {})).Patch)
}

func TestWhatIsCappedOrSkippedIsToldToTheClient(t *testing.T) {
	capped := vpa("shop", recommend("shop", "9", "9E"))
	capped.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{
		{ContainerName: "*", MaxAllowed: recommend("", "4", "4Gi").Target},
	}}
	h := start(t, config(t, capped))
	require.Equal(t, []string{
		"VPA shop: container shop: cpu: recommended 9, bounded by maxAllowed 4",
		"VPA shop: container shop: memory left as declared: recommended 9E is no sane amount",
	}, ask(t, h, fixture(t, "create-shop.json")).Warnings)
	require.EqualValues(t, 1, h.counted(Patched))

	h = start(t, config(t, vpa("shop", recommend("shop", "-1", "9E"))))
	require.Len(t, ask(t, h, fixture(t, "create-shop.json")).Warnings, 2)
	require.EqualValues(t, 1, h.counted(Skipped))
}

func TestAPodIsLeftAloneAndCountedByReason(t *testing.T) {
	lookup := func(c target.Controller, found bool, err error) ownersFunc {
		return func(context.Context) (target.Controller, bool, error) { return c, found, err }
	}
	for name, tc := range map[string]struct {
		change func(*Config)
		edit   []string // old, new, ... in the review's text
		want   Decision
	}{
		"no VPA on its controller": {func(c *Config) { c.Owners = lookup(target.Controller{Kind: "Job"}, true, nil) }, nil, NoVPA},
		"no controller":            {func(c *Config) { c.Owners = lookup(target.Controller{}, false, nil) }, nil, NoController},
		"owners unreadable":        {func(c *Config) { c.Owners = lookup(target.Controller{}, false, errors.New("refused")) }, nil, LookupFailed},
		"caches not synced":        {func(c *Config) { c.Synced = func() bool { return false } }, nil, NotSynced},
		"a panic of ours":          {func(c *Config) { c.VPAs = nil }, nil, Panicked},
		"opted out":                {nil, []string{`"labels"`, `"annotations": {"sartor.dev/inject": "false"}, "labels"`}, OptedOut},
		"an update":                {nil, []string{`"operation": "CREATE"`, `"operation": "UPDATE"`}, NotAPodCreation},
		"a subresource":            {nil, []string{`"namespace": "store"`, `"subResource": "eviction", "namespace": "store"`}, NotAPodCreation},
		"a resize":                 {nil, []string{`"namespace": "store"`, `"subResource": "resize", "namespace": "store"`}, NotAPodCreation},
		"an ephemeral container":   {nil, []string{`"namespace": "store"`, `"subResource": "ephemeralcontainers", "namespace": "store"`}, NotAPodCreation},
		"another resource":         {nil, []string{`"resource": "pods"`, `"resource": "services"`}, NotAPodCreation},
		"no object":                {nil, []string{`"object": {`, `"object": 7, "was": {`}, BadPod},
		"a bad label":              {nil, []string{`"app": "shop"`, `"app": ["shop"]`}, BadPod},
		"a bad quantity":           {nil, []string{`"100m"`, `"lots"`}, BadPod},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, vpa("shop", recommend("shop", "1200m", "700Mi")))
			if tc.change != nil {
				tc.change(&c)
			}
			h := start(t, c)
			got := ask(t, h, strings.NewReplacer(tc.edit...).Replace(fixture(t, "create-shop.json")))
			require.Nil(t, got.Patch)
			require.EqualValues(t, 1, h.counted(tc.want))
		})
	}
}

func TestAPodWithResourcesOfItsOwnIsKeptWithinThem(t *testing.T) {
	h := start(t, config(t, vpa("shop", recommend("shop", "1200m", "700Mi"))))
	got := ask(t, h, strings.Replace(fixture(t, "create-shop.json"), `"volumes"`, `"resources": {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "1"}}, "volumes"`, 1))
	require.Contains(t, string(got.Patch), `{"op":"add","path":"/spec/containers/0/resources/requests/cpu","value":"1"}`, "all that the pod has")
	require.Contains(t, string(got.Patch), `{"op":"add","path":"/spec/containers/0/resources/requests/memory","value":"700Mi"}`)
	require.NotContains(t, string(got.Patch), `limits/cpu`, "it is the pod's already")
}

func TestAVPAWithoutRecommendationOnlyAnnotates(t *testing.T) {
	h := start(t, config(t, vpa("shop")))
	got := ask(t, h, fixture(t, "create-shop.json"))
	require.JSONEq(t, `[{"op": "add", "path": "/metadata/annotations", "value": {"vpaObservedContainers": "shop, proxy"}}]`, string(got.Patch))
	require.EqualValues(t, 1, h.counted(NoRecommendation))
}

func TestTheAnswerIsInTimeThoughALookUpHangs(t *testing.T) {
	c := config(t, vpa("shop", recommend("shop", "1", "1Gi")))
	c.Owners = ownersFunc(func(ctx context.Context) (target.Controller, bool, error) {
		<-ctx.Done()
		return target.Controller{}, false, ctx.Err()
	})
	h := start(t, c)
	status, _ := post(t, h, "?timeout=20ms", fixture(t, "create-shop.json"))
	require.Equal(t, http.StatusOK, status)
	require.EqualValues(t, 1, h.counted(DeadlineExceeded))
}

func TestTheBudgetIsWhatTheAPIServerGivesLessTheWayBack(t *testing.T) {
	for timeout, want := range map[string]time.Duration{
		"2s": 1900 * time.Millisecond, "100ms": 50 * time.Millisecond, "": 9900 * time.Millisecond,
		"soon": 9900 * time.Millisecond, "-1s": 9900 * time.Millisecond, "1h": 29900 * time.Millisecond,
	} {
		require.Equal(t, want, budget(timeout), timeout)
	}
}

func TestWhatHasNoUIDIsRefusedAndNeverDisallowed(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		status int
		want   Decision
	}{
		"nothing":        {"", http.StatusBadRequest, Malformed},
		"not JSON":       {"<html>", http.StatusBadRequest, Malformed},
		"an empty one":   {"{}", http.StatusBadRequest, Malformed},
		"no request":     {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, http.StatusBadRequest, Malformed},
		"no uid":         {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}`, http.StatusBadRequest, Malformed},
		"another kind":   {`{"apiVersion":"v1","kind":"Pod","request":{"uid":"1"}}`, http.StatusBadRequest, Malformed},
		"an old version": {`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"1"}}`, http.StatusBadRequest, Malformed},
		"deep nesting":   {strings.Repeat("[", 100_000), http.StatusBadRequest, Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, config(t))
			status, text := post(t, h, "", tc.body)
			require.Equal(t, tc.status, status)
			require.NotContains(t, text, "allowed")
			require.EqualValues(t, 1, h.counted(tc.want))
		})
	}
}

func TestMoreThanAnyReviewIsNotEvenRead(t *testing.T) {
	h, recorder := NewHandler(config(t)), httptest.NewRecorder()
	endless := &endlessReader{}
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/pods", endless))
	require.Equal(t, http.StatusRequestEntityTooLarge, recorder.Code)
	require.Less(t, endless.read, 2*maxBody)
	require.EqualValues(t, 1, h.counted(TooLarge))
}

// endlessReader is a body without an end.
type endlessReader struct{ read int }

func (r *endlessReader) Read(p []byte) (int, error) {
	clear(p)
	r.read += len(p)
	return len(p), nil
}
