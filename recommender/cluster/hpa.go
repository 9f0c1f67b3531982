package cluster

import "github.com/sartor-vpa/sartor/pkg/target"

// HPA is a HorizontalPodAutoscaler, and which of the resources that are recommended here it scales
// on. A ScaledObject of KEDA's works by one of these.
type HPA struct {
	Name        string
	CPU, Memory bool
}

// HPAs returns those that scale a controller on CPU or memory, by name. They belong to the cluster: read only.
func (c *Cluster) HPAs(target.Controller) []HPA { return nil }
