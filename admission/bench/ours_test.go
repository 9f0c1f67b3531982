package bench

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// newOurs is our handler as the program makes it, before this cluster.
func newOurs(c cluster) http.Handler {
	owners := ownerLists{"replicasets": func() (all []metav1.PartialObjectMetadata) {
		for i := range c.workloads {
			all = append(all, metav1.PartialObjectMetadata{ObjectMeta: newReplicaSet(i, c.kind).ObjectMeta})
		}
		return all
	}}
	if c.kind == deployment {
		owners["deployments"] = func() (all []metav1.PartialObjectMetadata) {
			for i := range c.workloads {
				all = append(all, metav1.PartialObjectMetadata{ObjectMeta: newDeployment(i).ObjectMeta})
			}
			return all
		}
	}
	index := webhook.NewIndex(policy.Cluster{Limits: policy.DefaultLimitPolicy()}, logr.Discard())
	var scales target.Scales
	if c.server == nil {
		index.Selectors = target.NewSelectors(listedSelectors(c.workloads), logr.Discard())
	} else {
		index.Selectors = target.NewSelectors(liveSelectors(c.server), logr.Discard())
		go index.Selectors.Run(context.Background())
		disco, err := discovery.NewDiscoveryClientForConfig(c.server)
		need(err)
		scales = target.NewDiscovery(disco)
	}
	vpas := make([]*vpav1.VerticalPodAutoscaler, 0, c.vpas)
	for i := range c.vpas {
		vpas = append(vpas, newVPA(i, c.target(i), c.kind))
	}
	index.Into().Replace(vpas)
	return webhook.NewHandler(webhook.Config{
		Owners: target.NewResolverOf(newOwners(owners), nil, scales), VPAs: index, LimitRanges: webhook.NewRanges(),
		Synced: func() bool { return true }, Log: logr.Discard(), Registerer: prometheus.NewRegistry(),
	})
}

// liveSelectors are read with the program's budget, which is none: pods wait for them.
func liveSelectors(server *rest.Config) target.SelectorReader {
	free := rest.CopyConfig(server)
	free.QPS = -1
	gvk := schema.FromAPIVersionAndKind(rollout.apiVersion, rollout.name)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{gvk.GroupVersion()})
	mapper.Add(gvk, meta.RESTScopeNamespace)
	live, err := client.New(free, client.Options{Scheme: k8sruntime.NewScheme(), Mapper: mapper})
	need(err)
	return target.Workloads{Client: live}
}

// selectorsByName are those of Deployments, as they would be read. Upstream has them in its informers.
type selectorsByName map[string]k8slabels.Selector

func listedSelectors(workloads int) selectorsByName {
	selectors := selectorsByName{}
	for i := range workloads {
		selectors[workload(i)] = k8slabels.SelectorFromSet(labels(i))
	}
	return selectors
}

var _ target.SelectorReader = selectorsByName{}

func (s selectorsByName) Selector(_ context.Context, c target.Controller) (k8slabels.Selector, error) {
	selector, ok := s[c.Name]
	if !ok {
		return nil, fmt.Errorf("there is no %s", c)
	}
	return selector, nil
}

// ownerLists is an API server's metadata: what lists of each resource have. It cannot stream them, and nothing changes.
type ownerLists map[string]func() []metav1.PartialObjectMetadata

var _ metadata.Interface = ownerLists{}

func (l ownerLists) Resource(resource schema.GroupVersionResource) metadata.Getter {
	return ownerList{list: l[resource.Resource]}
}

// ownerList is one of them. Nothing else of the interface is there.
type ownerList struct {
	metadata.Getter
	list func() []metav1.PartialObjectMetadata
}

func (l ownerList) List(context.Context, metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	list := &metav1.PartialObjectMetadataList{}
	if l.list != nil {
		list.Items = l.list()
	}
	return list, nil
}

func (l ownerList) Watch(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
	if o.SendInitialEvents != nil {
		return nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil)
	}
	return watch.NewFake(), nil
}

// newOwners have all of these.
func newOwners(lists ownerLists) *target.Owners {
	owners := target.NewOwners()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, w := range owners.Watches(lists) {
		go w.Run(ctx, logr.Discard())
		w.Settled(ctx)
	}
	return owners
}
