package cluster

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Checkpoints calls f with each checkpoint, as the API server has them now. f may keep it.
func (c *Cluster) Checkpoints(ctx context.Context, f func(*vpav1.VerticalPodAutoscalerCheckpoint)) error {
	var list vpav1.VerticalPodAutoscalerCheckpointList
	if err := c.reader.List(ctx, &list, client.InNamespace(c.options.Namespace)); err != nil {
		return fmt.Errorf("listing checkpoints: %w", err)
	}
	for i := range list.Items {
		f(&list.Items[i])
	}
	return nil
}

// WriteCheckpoint makes spec, status and each annotation of cp those of the checkpoint of that
// name, which it creates where there is none. Other annotations and labels stay.
func (c *Cluster) WriteCheckpoint(ctx context.Context, cp *vpav1.VerticalPodAutoscalerCheckpoint) error {
	if err := c.client.Create(ctx, cp.DeepCopy()); err != nil {
		return fmt.Errorf("writing checkpoint %s/%s: %w", cp.Namespace, cp.Name, err)
	}
	return nil
}

// DeleteCheckpoint deletes a checkpoint. That there is none is no error.
func (c *Cluster) DeleteCheckpoint(ctx context.Context, name types.NamespacedName) error {
	cp := &vpav1.VerticalPodAutoscalerCheckpoint{}
	cp.Namespace, cp.Name = name.Namespace, name.Name
	if err := client.IgnoreNotFound(c.client.Delete(ctx, cp)); err != nil {
		return fmt.Errorf("deleting checkpoint %s: %w", name, err)
	}
	return nil
}
