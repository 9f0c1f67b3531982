package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	apijson "k8s.io/apimachinery/pkg/util/json"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// FuzzAVPAOfAnyShapeCanBeDecoded: whatever its spec and status are, what comes through the guard decodes, and soon. What
// decoded before comes as it was.
func FuzzAVPAOfAnyShapeCanBeDecoded(f *testing.F) {
	for _, text := range []string{good, fmt.Sprintf(oddSpec, `"1e-100000000"`), fmt.Sprintf(oddStatus, `"1e1.5"`), oddTime} {
		var p parts
		require.NoError(f, json.Unmarshal([]byte(text), &p))
		spec, err := json.Marshal(p.Spec)
		require.NoError(f, err)
		status, err := json.Marshal(p.Status)
		require.NoError(f, err)
		f.Add(string(spec), string(status))
	}
	f.Add(`{"updatePolicy":3}`, `{"conditions":{}}`)
	f.Add(`null`, `{"recommendation":null}`)
	f.Fuzz(func(t *testing.T, spec, status string) {
		object := `{"kind":"VerticalPodAutoscaler","metadata":{"name":"x"},"spec":` + spec + `,"status":` + status + `}`
		// Objects come from an API server: spec and status are objects, by the definition.
		var p parts
		if apijson.Unmarshal([]byte(object), &p) != nil || len(object) > 1<<20 {
			t.Skip()
		}
		began := time.Now()
		through, err := io.ReadAll(newFilter(io.NopCloser(strings.NewReader(object)), &vpas, false))
		if err != nil {
			t.Skip() // nested deeper than any object that an API server can store
		}
		var vpa vpav1.VerticalPodAutoscaler
		require.NoError(t, apijson.Unmarshal(through, &vpa))
		require.Less(t, time.Since(began), atOnce)
		require.Equal(t, "x", vpa.Name)

		if quantitiesOf([]byte(object)) != nil {
			require.Contains(t, vpa.Annotations, unreadable)
			return
		}
		var direct vpav1.VerticalPodAutoscaler
		if err := apijson.Unmarshal([]byte(object), &direct); err != nil {
			require.Contains(t, vpa.Annotations, unreadable)
			return
		}
		require.Equal(t, direct, vpa)
	})
}

// full has every kind of field that a VPA has below spec and status.
const full = `{"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"shop"},"recommenders":[{"name":"mine"}],
	"updatePolicy":{"updateMode":"Auto","minReplicas":2,"evictAfterOOMSeconds":30,"evictionRequirements":[{"resources":["cpu"],"changeRequirement":"TargetHigherThanRequests"}]},
	"startupBoost":{"cpu":{"type":"Factor","factor":2,"quantity":"1","durationSeconds":10}},
	"resourcePolicy":{"containerPolicies":[{"containerName":"*","mode":"Auto","minAllowed":{"cpu":"1","memory":1},"maxAllowed":{"cpu":"2"},"controlledResources":["cpu"],
		"controlledValues":"RequestsOnly","oomBumpUpRatio":"1.2","oomMinBumpUp":"1Mi","memoryAggregationIntervalSeconds":60,"startupBoost":{"cpu":{"quantity":"1"}}}]}},
	"status":{"observedGeneration":3,"conditions":[{"type":"a","status":"True","lastTransitionTime":"2026-11-22T10:00:00Z","reason":"r","message":"m"}],
		"recommendation":{"containerRecommendations":[{"containerName":"a","target":{"cpu":"1"},"lowerBound":{"cpu":"1"},"upperBound":{"cpu":"1"},"uncappedTarget":{"cpu":"1"}}]}}}`

// eachMutant calls try while one value after the other in what is given is another than it was.
func eachMutant(in any, try func()) {
	others := []any{nil, true, 1.5, -1, 1e18, "", "1e-100000000", "1e1.5", "x", []any{}, []any{1}, map[string]any{}, map[string]any{"cpu": "1e-100000000"}}
	switch in := in.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(in)) {
			was := in[key]
			eachMutant(was, try)
			for _, in[key] = range others {
				try()
			}
			in[key] = was
		}
	case []any:
		for i, was := range in {
			eachMutant(was, try)
			for _, in[i] = range others {
				try()
			}
			in[i] = was
		}
	}
}

// TestAVPAWithAnyFieldOfAnyTypeCanBeDecoded: one field after the other is what it should not be.
func TestAVPAWithAnyFieldOfAnyTypeCanBeDecoded(t *testing.T) {
	root := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(full), &root))
	root["kind"] = "VerticalPodAutoscaler"
	root["metadata"] = map[string]any{"name": "x"}
	mutants, repaired := 0, 0
	try := func() {
		object, err := json.Marshal(root)
		require.NoError(t, err)
		var vpa vpav1.VerticalPodAutoscaler
		require.NoError(t, apijson.Unmarshal(vpas.guard(object), &vpa), "%s", object)
		require.Equal(t, "x", vpa.Name)
		mutants++
		if vpa.Annotations[unreadable] != "" {
			repaired++
			require.Error(t, errors.Join(Unreadable(&vpa), UnreadableStatus(&vpa)))
		}
	}
	eachMutant(root["spec"], try)
	eachMutant(root["status"], try)
	require.Greater(t, mutants, 500)
	require.Greater(t, repaired, mutants/2)
}

// TestEveryQuantityOfAVPAIsLookedAt: a field that upstream adds must not be missed.
func TestEveryQuantityOfAVPAIsLookedAt(t *testing.T) {
	fields := 0
	var visit func(at reflect.Type, h hold, path string)
	visit = func(at reflect.Type, h hold, path string) {
		switch {
		case at == reflect.TypeFor[resource.Quantity]():
			fields++
			require.Equal(t, amount, h, path)
		case at.Kind() == reflect.Pointer:
			visit(at.Elem(), h, path)
		case at.Kind() == reflect.Slice:
			visit(at.Elem(), others, path+"[]")
		case at.Kind() == reflect.Map:
			visit(at.Elem(), h.member("cpu"), path+".cpu")
		case at.Kind() == reflect.Struct && strings.Contains(at.PkgPath(), "autoscal"):
			for i := range at.NumField() {
				name, _, _ := strings.Cut(at.Field(i).Tag.Get("json"), ",")
				visit(at.Field(i).Type, h.member(name), path+"."+name)
			}
		}
	}
	visit(reflect.TypeFor[vpav1.VerticalPodAutoscaler](), topLevel, "")
	require.Equal(t, 10, fields)
}
