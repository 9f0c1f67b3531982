package cluster

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const ours = "sartor.dev/intervals"

// shelf is an API server that has one checkpoint, or none: JSON, as etcd has it.
type shelf struct {
	object   string
	requests []string
	patches  []string
	lists    map[string]string // by continue token
	expired  int               // how often a continue token is refused
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	body, _ := io.ReadAll(r.Body)
	switch r.Method {
	case http.MethodGet:
		token := r.URL.Query().Get("continue")
		if token != "" && s.expired > 0 {
			s.expired--
			refuse(w, http.StatusGone, metav1.StatusReasonExpired)
			return
		}
		reply(w, http.StatusOK, s.lists[token])
	case http.MethodPost:
		s.object = string(body)
		reply(w, http.StatusCreated, s.object)
	case http.MethodDelete, http.MethodPatch:
		if s.object == "" {
			refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
			return
		}
		s.change(w, r, body)
	}
}

func (s *shelf) change(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method == http.MethodDelete {
		s.object = ""
		reply(w, http.StatusOK, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
		return
	}
	s.patches = append(s.patches, r.Header.Get("Content-Type"))
	patch, err := jsonpatch.DecodePatch(body)
	if err == nil {
		var patched []byte
		if patched, err = patch.Apply([]byte(s.object)); err == nil {
			s.object = string(patched)
			reply(w, http.StatusOK, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"shop-shop"}}`)
			return
		}
	}
	refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
}

func reply(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	status, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
	})
	reply(w, code, string(status))
}

func (s *shelf) cluster(t *testing.T) *Cluster {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	scheme := runtime.NewScheme()
	require.NoError(t, vpav1.AddToScheme(scheme))
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{vpav1.SchemeGroupVersion})
	mapper.Add(vpav1.SchemeGroupVersion.WithKind("VerticalPodAutoscalerCheckpoint"), meta.RESTScopeNamespace)
	c, err := client.New(&rest.Config{Host: server.URL}, client.Options{Scheme: scheme, Mapper: mapper})
	require.NoError(t, err)
	return &Cluster{client: c, reader: c}
}

func checkpoint(buckets map[int]uint32, annotation string) *vpav1.VerticalPodAutoscalerCheckpoint {
	cp := &vpav1.VerticalPodAutoscalerCheckpoint{ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "shop-shop"}}
	cp.Spec = vpav1.VerticalPodAutoscalerCheckpointSpec{VPAObjectName: "shop", ContainerName: "shop"}
	cp.Status.LastUpdateTime = metav1.NewTime(time.Unix(1e9, 0).UTC())
	cp.Status.CPUHistogram.BucketWeights = buckets
	if annotation != "" {
		cp.Annotations = map[string]string{ours: annotation}
	}
	return cp
}

func TestACheckpointIsReplacedAndNothingElseOfIt(t *testing.T) {
	const head = `{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscalerCheckpoint","metadata":{"name":"shop-shop","namespace":"store"`
	const old = `"spec":{"vpaObjectName":"old"},"status":{"version":"v3","cpuHistogram":{"bucketWeights":{"7":1,"8":10000}}}}`
	for name, tc := range map[string]struct {
		object     string
		annotation string
		requests   int
		want       map[string]string // annotations after
	}{
		"none yet":                       {"", "new", 2, map[string]string{ours: "new"}},
		"none yet, without annotations":  {"", "", 2, nil},
		"upstream's":                     {head + `},` + old, "new", 2, map[string]string{ours: "new"}},
		"upstream's, and nothing to add": {head + `},` + old, "", 1, nil},
		"ours":                           {head + `,"annotations":{"` + ours + `":"old"}},` + old, "new", 1, map[string]string{ours: "new"}},
		"somebody's":                     {head + `,"annotations":{"team":"a"}},` + old, "new", 1, map[string]string{ours: "new", "team": "a"}},
		"ours and somebody's":            {head + `,"labels":{"a":"b"},"annotations":{"team":"a","` + ours + `":"old"}},` + old, "new", 1, map[string]string{ours: "new", "team": "a"}},
		"one without a status":           {head + `},"spec":{"vpaObjectName":"old"}}`, "new", 2, map[string]string{ours: "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{object: tc.object}
			cp := checkpoint(map[int]uint32{3: 10000}, tc.annotation)
			require.NoError(t, s.cluster(t).WriteCheckpoint(t.Context(), cp))
			require.Equal(t, checkpoint(map[int]uint32{3: 10000}, tc.annotation), cp, "what is given is not changed")

			var got vpav1.VerticalPodAutoscalerCheckpoint
			require.NoError(t, json.Unmarshal([]byte(s.object), &got))
			require.Equal(t, tc.want, got.Annotations)
			require.Equal(t, cp.Spec, got.Spec)
			require.Equal(t, map[int]uint32{3: 10000}, got.Status.CPUHistogram.BucketWeights, "no bucket of before is left")
			require.Len(t, s.requests, tc.requests)
			if strings.Contains(tc.object, `"labels"`) {
				require.Equal(t, map[string]string{"a": "b"}, got.Labels)
			}
			for _, contentType := range s.patches {
				require.Equal(t, "application/json-patch+json", contentType)
			}
		})
	}
}

func TestAnAnnotationThatSomebodyAddsMeanwhileIsNotOverwritten(t *testing.T) {
	patch, err := checkpointPatch(checkpoint(nil, "new"), true)
	require.NoError(t, err)
	decoded, err := jsonpatch.DecodePatch(patch)
	require.NoError(t, err)
	_, err = decoded.Apply([]byte(`{"metadata":{"annotations":{"team":"a"}}}`))
	require.Error(t, err)
	_, err = decoded.Apply([]byte(`{"metadata":{}}`))
	require.NoError(t, err)
}

func TestARefusedCheckpointSaysWhich(t *testing.T) {
	s := &shelf{object: `{"spec":{}}`} // No metadata: no patch of annotations can apply.
	err := s.cluster(t).WriteCheckpoint(t.Context(), checkpoint(nil, "new"))
	require.ErrorContains(t, err, "store/shop-shop")
	require.True(t, apierrors.IsInvalid(err))
	require.Len(t, s.requests, 2)
}

func TestACheckpointThatIsNotThereIsDeletedWell(t *testing.T) {
	s := &shelf{object: `{}`}
	c := s.cluster(t)
	for range 2 {
		require.NoError(t, c.DeleteCheckpoint(t.Context(), types.NamespacedName{Namespace: "store", Name: "shop-shop"}))
		require.Empty(t, s.object)
	}
	require.Equal(t, "DELETE /apis/autoscaling.k8s.io/v1/namespaces/store/verticalpodautoscalercheckpoints/shop-shop", s.requests[0])
}

func TestCheckpointsAreReadByPages(t *testing.T) {
	item := func(namespace, name string) string {
		return `{"metadata":{"namespace":"` + namespace + `","name":"` + name + `"}}`
	}
	list := func(next string, items ...string) string {
		return `{"kind":"VerticalPodAutoscalerCheckpointList","apiVersion":"autoscaling.k8s.io/v1","metadata":{"continue":"` + next + `"},"items":[` + strings.Join(items, ",") + `]}`
	}
	const path = "/apis/autoscaling.k8s.io/v1/verticalpodautoscalercheckpoints"
	for name, tc := range map[string]struct {
		expired int
		options Options
		want    []string
		first   string
		err     bool
	}{
		"all":              {0, Options{}, []string{"a", "b", "c"}, path, false},
		"an old page":      {1, Options{}, []string{"a", "b", "a", "b", "c"}, path, false},
		"always too old":   {100, Options{}, []string{"a", "b", "a", "b", "a", "b", "a", "b"}, path, true},
		"not a namespace":  {0, Options{Ignored: []string{"store"}}, []string{"b", "c"}, path, false},
		"in one namespace": {0, Options{Namespace: "store"}, []string{"a"}, strings.Replace(path, "v1/", "v1/namespaces/store/", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{expired: tc.expired, lists: map[string]string{
				"": list("2", item("store", "a"), item("till", "b")), "2": list("", item("till", "c")),
			}}
			c := s.cluster(t)
			c.options = tc.options
			var got []string
			err := c.Checkpoints(t.Context(), func(cp *vpav1.VerticalPodAutoscalerCheckpoint) { got = append(got, cp.Name) })
			require.Equal(t, tc.err, err != nil)
			require.Equal(t, tc.want, got)
			require.Equal(t, "GET "+tc.first+"?limit=500", s.requests[0])
		})
	}
}
