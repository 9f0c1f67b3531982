package guard

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
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
