package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// podLoad takes up all pods at start: it finds their controllers, groups them, and takes up the VPAs. The pods have been
// read from the API server on both sides: they are in an informer of upstream's, and in our view of the cluster.
func podLoad(vpas int) operation {
	k := newKubernetes(vpas)
	return func(r reading) {
		w := newWorld(vpas, nil)
		view, err := cluster.NewWithOptions(k, target.NewResolver(k.owners, k.owners, nil),
			cluster.Options{Recommender: cluster.DefaultRecommender}, logr.Discard())
		need(err)
		loaded := &loading{world: w, view: view}
		o := ourOptions()
		o.CheckpointInterval = 0
		parts := loaded.parts(o)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- view.Start(ctx) }()
		need(view.WaitForSync(ctx))
		r.Measure(1, func() { begin(parts) })
		cancel()
		need(<-ended)
		needCount(loaded.told, vpas*podsPerVPA)
	}
}

// loading is a world whose pods are a real view's.
type loading struct {
	*world
	view *cluster.Cluster
	told int
}

func (l *loading) parts(o loop.Options) loop.Parts {
	return loop.New(o, l, l, nil, loop.NewMeter(prometheus.NewRegistry()), func() time.Time { return l.clock }, logr.Discard()).Parts()
}

func (l *loading) PodChanges(ctx context.Context) (cluster.Changes, error) {
	changes, err := l.view.PodChanges(ctx)
	l.told += len(changes.Pods)
	return changes, err
}

// kubernetes is a manager whose API server has pods, and nothing else but their owners in the cache.
type kubernetes struct {
	manager.Manager
	scheme *runtime.Scheme
	pages  [][]byte
	owners owners
}

func newKubernetes(vpas int) *kubernetes {
	k := &kubernetes{scheme: runtime.NewScheme(), owners: owners{}}
	need(clientgoscheme.AddToScheme(k.scheme))
	need(vpav1.AddToScheme(k.scheme))
	for v := range vpas {
		k.owners.add("ReplicaSet", namespaceOf(v), replicaSetOf(v), serviceOf(v))
		k.owners.add("Deployment", namespaceOf(v), serviceOf(v), "")
	}
	const page = 500
	pods := newPods(vpas)
	encoder := protobuf.NewSerializer(k.scheme, k.scheme)
	for first := 0; first < len(pods); first += page {
		last := min(first+page, len(pods))
		list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
		if last < len(pods) {
			list.Continue = strconv.Itoa(last / page)
		}
		for _, pod := range pods[first:last] {
			list.Items = append(list.Items, *pod)
		}
		list.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		var bytes strings.Builder
		need(encoder.Encode(list, &bytes))
		k.pages = append(k.pages, []byte(bytes.String()))
	}
	return k
}

func (k *kubernetes) GetConfig() *rest.Config {
	return &rest.Config{Host: "http://kubernetes", QPS: -1}
}
func (k *kubernetes) GetHTTPClient() *http.Client { return &http.Client{Transport: k} }
func (k *kubernetes) GetScheme() *runtime.Scheme  { return k.scheme }
func (k *kubernetes) GetClient() client.Client    { return nil }
func (k *kubernetes) GetAPIReader() client.Reader { return nil }
func (k *kubernetes) GetCache() cache.Cache {
	return informers{&informertest.FakeInformers{Scheme: k.scheme}}
}
func (k *kubernetes) GetEventRecorder(string) recorder.EventRecorder { return nil }
func (k *kubernetes) Add(manager.Runnable) error                     { return nil }

// informers are full, and tell nothing.
type informers struct{ *informertest.FakeInformers }

func (i informers) GetInformer(ctx context.Context, object client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	return i.GetInformerForKind(ctx, object.GetObjectKind().GroupVersionKind())
}

// RoundTrip is the API server.
func (k *kubernetes) RoundTrip(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	switch {
	case query.Get("sendInitialEvents") != "":
		return response(r, http.StatusUnprocessableEntity, runtime.ContentTypeJSON, asJSON(
			apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil).Status())), nil
	case query.Get("watch") != "":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case strings.HasSuffix(r.URL.Path, "/pods"):
		page, _ := strconv.Atoi(query.Get("continue"))
		return response(r, http.StatusOK, runtime.ContentTypeProtobuf, k.pages[page]), nil
	}
	return response(r, http.StatusOK, runtime.ContentTypeJSON, asJSON(emptyList(r.URL.Path))), nil
}

// emptyList is what the API server answers for a kind of which there is nothing.
func emptyList(path string) any {
	kinds := map[string]metav1.TypeMeta{
		"verticalpodautoscalers":   {APIVersion: "autoscaling.k8s.io/v1", Kind: "VerticalPodAutoscalerList"},
		"horizontalpodautoscalers": {APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscalerList"},
		"events":                   {APIVersion: "v1", Kind: "EventList"},
	}
	return metav1.PartialObjectMetadataList{TypeMeta: kinds[path[strings.LastIndexByte(path, '/')+1:]], ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
}

func asJSON(v any) []byte {
	text, err := json.Marshal(v)
	need(err)
	return text
}

func response(r *http.Request, code int, content string, body []byte) *http.Response {
	return &http.Response{
		Request: r, StatusCode: code, Status: http.StatusText(code), ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {content}}, Body: io.NopCloser(strings.NewReader(string(body))),
	}
}

// owners is the cache of the metadata of what owns pods, by kind.
type owners map[string]map[types.NamespacedName]*metav1.PartialObjectMetadata

// add adds an object that the Deployment of that name owns, if it has a name.
func (o owners) add(kind, namespace, name, deployment string) {
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: uidOf(kind, name)}}
	if deployment != "" {
		object.OwnerReferences = []metav1.OwnerReference{ownedBy("Deployment", deployment)}
	}
	if o[kind] == nil {
		o[kind] = map[types.NamespacedName]*metav1.PartialObjectMetadata{}
	}
	o[kind][types.NamespacedName{Namespace: namespace, Name: name}] = object
}

func (o owners) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	kind := object.GetObjectKind().GroupVersionKind().Kind
	found, ok := o[kind][key]
	if !ok {
		return fmt.Errorf("there is no %s %s", kind, key)
	}
	found.DeepCopyInto(object.(*metav1.PartialObjectMetadata))
	return nil
}

func (o owners) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }
