package cluster

import (
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// Exists reports whether there is a VPA of this name, whoever recommends for it. A namespace that is not looked at may
// have any.
func (c *Cluster) Exists(name types.NamespacedName) bool {
	return !c.options.sees(name.Namespace) || c.vpas.has(name)
}

// Owns reports whether this replica may write now for a VPA.
func (c *Cluster) Owns(vpa *vpav1.VerticalPodAutoscaler) bool {
	return c.options.Owns == nil || c.options.Owns(vpa)
}

// Reconsider makes Changed tell that VPAs returns others now, as after Owns has changed.
func (c *Cluster) Reconsider() { c.signal() }

func (v *vpas) has(name types.NamespacedName) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	vpa := &vpav1.VerticalPodAutoscaler{}
	vpa.Namespace, vpa.Name = name.Namespace, name.Name
	_, known := where(v.sorted, vpa)
	return known
}
