package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAPodWhoseOwnersCannotBeReadComesLater(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	h.err = errors.New("no route to host")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"), started("shop-1-b", "shop-1"), started("till-1-a", "till-1"))
	changes := c.next(t)
	require.Empty(t, changes.Pods)
	require.Equal(t, 3, changes.Waiting)

	c.lose(started("shop-1-b", "shop-1"))
	h.err = nil
	changes = c.next(t)
	require.Equal(t, []string{"shop-1-a"}, names(changes.Pods))
	require.Equal(t, 1, changes.Waiting, "there is no such ReplicaSet")
	h.deploy("till-1", "till")
	changes = c.next(t)
	require.Equal(t, []string{"till-1-a"}, names(changes.Pods))
	require.Zero(t, changes.Waiting)
}

func TestNothingIsLostWhenTheTimeIsUp(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.PodChanges(ended)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"shop-1-a"}, names(c.next(t).Pods))
}

func TestAnOwnerIsAskedOnceForAllItsPods(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	for i := range 100 {
		c.see(started(fmt.Sprintf("shop-1-%d", i), "shop-1"))
	}
	require.Len(t, c.next(t).Pods, 100)
	require.Equal(t, 2, h.reads, "the ReplicaSet and the Deployment")
	c.see(started("shop-1-z", "shop-1"))
	require.Len(t, c.next(t).Pods, 1)
	require.Equal(t, 2, h.reads)
}

func TestPodsWhoseControllerNoVPACanNameAreNotTold(t *testing.T) {
	h := newHerd()
	c := clusterOf(h)
	mirror := started("etcd-node-1", "node-1")
	mirror.OwnerReferences[0].APIVersion, mirror.OwnerReferences[0].Kind = "v1", "Node"
	c.see(mirror)
	require.Equal(t, Changes{}, c.next(t))
	for i := range 1000 { // They come and go.
		pod := mirror.DeepCopy()
		pod.Name = fmt.Sprintf("runner-%d", i)
		c.see(pod)
		c.lose(pod)
	}
	require.Equal(t, Changes{}, c.next(t))
	for _, o := range c.pods.owners {
		require.Less(t, len(o.waiting), 10)
	}
}

func TestAdoptionAboveTheOwnerIsNoticed(t *testing.T) {
	h := newHerd()
	h.deploy("shop-1", "shop")
	c := clusterOf(h)
	c.see(started("shop-1-a", "shop-1"))
	first := c.next(t).Pods[0]

	before, after := &metav1.PartialObjectMetadata{}, &metav1.PartialObjectMetadata{}
	before.OwnerReferences = []metav1.OwnerReference{controlledBy("Deployment", "shop")}
	c.regroup(before, before)
	require.Equal(t, Changes{}, c.next(t))
	require.Equal(t, 2, h.reads, "nothing to be asked")

	c.regroup(before, after)
	h.err = errors.New("no route to host")
	require.Equal(t, Changes{}, c.next(t), "what cannot be read now holds")
	h.err = nil

	h.owners["shop-1"] = nil // kubectl delete deployment --cascade=orphan
	c.regroup(before, after)
	second := c.next(t).Pods
	require.Equal(t, "ReplicaSet", second[0].Controller.Kind)
	require.Equal(t, "Deployment", first.Controller.Kind, "what was told is not changed")
	require.Equal(t, Changes{}, c.next(t))
}
