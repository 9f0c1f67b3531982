package bench

import (
	"context"
	"net/http"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"

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
	vpas := make([]*vpav1.VerticalPodAutoscaler, 0, c.vpas)
	for i := range c.vpas {
		vpas = append(vpas, newVPA(i, c.target(i), c.kind))
	}
	index.Into().Replace(vpas)
	var scales target.Scales
	if c.server != nil {
		client, err := discovery.NewDiscoveryClientForConfig(c.server)
		need(err)
		scales = target.NewDiscovery(client)
	}
	return webhook.NewHandler(webhook.Config{
		Owners: target.NewResolverOf(newOwners(owners), nil, scales), VPAs: index, LimitRanges: webhook.NewRanges(),
		Synced: func() bool { return true }, Log: logr.Discard(), Registerer: prometheus.NewRegistry(),
	})
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
