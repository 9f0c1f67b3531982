package cluster

import (
	"context"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// herd is what owns pods, in place of the API server and its cache: it answers reads of metadata by
// the owner's name. What it does not have it does not find.
type herd struct {
	client.Reader
	owners map[string][]metav1.OwnerReference
	uids   map[string]types.UID
	err    error
	reads  int
}

func (h *herd) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	h.reads++
	owners, ok := h.owners[key.Name]
	switch {
	case h.err != nil:
		return h.err
	case !ok:
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	object.SetOwnerReferences(owners)
	object.SetUID(h.uids[key.Name])
	return nil
}

// Scalable says that nothing but what Kubernetes itself has can be scaled.
func (h *herd) Scalable(context.Context, schema.GroupVersionKind) (bool, error) { return false, nil }

func newHerd() *herd {
	return &herd{owners: map[string][]metav1.OwnerReference{}, uids: map[string]types.UID{}}
}

// deploy makes ReplicaSet name one of Deployment of.
func (h *herd) deploy(name, of string) {
	h.owners[of] = nil
	h.owners[name] = []metav1.OwnerReference{controlledBy("Deployment", of)}
}

func controlledBy(kind, name string) metav1.OwnerReference {
	controls := true
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: kind, Name: name, Controller: &controls}
}

func clusterOf(h *herd) *Cluster {
	return New(nil, target.NewResolver(h, h, h), DefaultRecommender, logr.Discard())
}

// started is a pod of ReplicaSet owner.
func started(name, owner string) *corev1.Pod {
	pod := podOfShop()
	pod.Name = name
	pod.OwnerReferences = []metav1.OwnerReference{controlledBy("ReplicaSet", owner)}
	return pod
}

func (c *Cluster) see(pods ...*corev1.Pod) {
	for _, pod := range pods {
		c.pods.set(c.pods.eyes.see(pod))
	}
}

func (c *Cluster) lose(pods ...*corev1.Pod) {
	for _, pod := range pods {
		c.pods.drop(c.pods.eyes.see(pod))
	}
}

func (c *Cluster) next(t require.TestingT) Changes {
	changes, err := c.PodChanges(context.Background())
	require.NoError(t, err)
	return changes
}

func names(pods []*StartedPod) []string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Name.Name)
	}
	return names
}
