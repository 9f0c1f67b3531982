// Package story tells Sartor's main job once, on a real control plane, and checks that it is true: a service
// whose developers guessed its resources, its release candidate, and what both get when Prometheus knows a week
// of them. The demo shows it; the end-to-end tests look at it more sharply.
package story

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// Namespace is where the story plays, and Environment the one of two in Prometheus that it plays in.
const (
	Namespace   = "store"
	Environment = "prod"
)

// Names of the two services, of their VPAs, and of their main containers.
const (
	Stable    = "shop"
	Candidate = "shop-rc"
	Sidecar   = "istio-proxy"
)

var (
	//go:embed services.yaml
	services string
	//go:embed vpas.yaml
	vpas string
)

// Story is told on a cluster in which Sartor is installed.
type Story struct {
	Cluster *cluster.Cluster
	// Before are the services' pods as they were declared, Meanwhile the pods once the recommendations were there,
	// and After those that were made then.
	Before, Meanwhile, After []corev1.Pod
	VPAs                     map[string]vpav1.VerticalPodAutoscaler
}

// patience is how long the story waits for a step. Recommendations come within seconds; a machine that is busy
// with other things may need more.
const patience = 3 * time.Minute

// Deploy creates the services, while nothing is known of them.
func (s *Story) Deploy(ctx context.Context) error {
	if _, err := s.Cluster.Kubectl(ctx, services, "apply", "-f", "-"); err != nil {
		return err
	}
	if err := s.rolledOut(ctx); err != nil {
		return err
	}
	var err error
	s.Before, err = s.Pods(ctx)
	return err
}

// Recommend creates the VPAs and waits until both have a recommendation and the candidate has its primary's.
func (s *Story) Recommend(ctx context.Context) error {
	if _, err := s.Cluster.Kubectl(ctx, vpas, "apply", "-f", "-"); err != nil {
		return err
	}
	s.VPAs = map[string]vpav1.VerticalPodAutoscaler{}
	return poll.Within(ctx, patience, 500*time.Millisecond, func(ctx context.Context) error {
		for _, name := range []string{Stable, Candidate} {
			vpa, err := GetVPA(ctx, s.Cluster, Namespace, name)
			if err != nil {
				return err
			}
			if !Is(vpa, vpav1.RecommendationProvided) {
				return fmt.Errorf("VPA %s has no recommendation yet: %v", name, vpa.Status.Conditions)
			}
			s.VPAs[name] = *vpa
		}
		candidate := s.VPAs[Candidate]
		if !Is(&candidate, "Inherited") {
			return fmt.Errorf("VPA %s has not inherited yet: %v", Candidate, candidate.Status.Conditions)
		}
		return nil
	})
}

// Renew makes new pods of both services, as a release does.
func (s *Story) Renew(ctx context.Context) error {
	var err error
	if s.Meanwhile, err = s.Pods(ctx); err != nil {
		return err
	}
	if _, err := s.Cluster.Kubectl(ctx, "", "-n", Namespace, "rollout", "restart", "deployment", Stable, Candidate); err != nil {
		return err
	}
	if err := s.rolledOut(ctx); err != nil {
		return err
	}
	return poll.Within(ctx, patience, 200*time.Millisecond, func(ctx context.Context) error {
		pods, err := s.Pods(ctx)
		if err != nil {
			return err
		}
		if len(pods) != len(s.Before) {
			return fmt.Errorf("%d pods, not yet %d", len(pods), len(s.Before))
		}
		s.After = pods
		return nil
	})
}

func (s *Story) rolledOut(ctx context.Context) error {
	for _, name := range []string{Stable, Candidate} {
		if _, err := s.Cluster.Kubectl(ctx, "", "-n", Namespace, "rollout", "status", "--timeout="+patience.String(), "deployment/"+name); err != nil {
			return err
		}
	}
	return nil
}

// Pods are the services' pods that are not being deleted, by name.
func (s *Story) Pods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := Get(ctx, s.Cluster, &list, "-n", Namespace, "get", "pods", "--sort-by=.metadata.name"); err != nil {
		return nil, err
	}
	var pods []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			pods = append(pods, p)
		}
	}
	return pods, nil
}

// GetVPA reads one VPA.
func GetVPA(ctx context.Context, c *cluster.Cluster, namespace, name string) (*vpav1.VerticalPodAutoscaler, error) {
	var vpa vpav1.VerticalPodAutoscaler
	return &vpa, Get(ctx, c, &vpa, "-n", namespace, "get", "vpa", name)
}

// Get runs kubectl with args and reads what it prints as JSON.
func Get(ctx context.Context, c *cluster.Cluster, into any, args ...string) error {
	out, err := c.Kubectl(ctx, "", append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), into)
}

// Is reports whether the VPA has the condition, and it is true.
func Is(vpa *vpav1.VerticalPodAutoscaler, kind vpav1.VerticalPodAutoscalerConditionType) bool {
	for _, c := range vpa.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Target is what is recommended for a container; nil if nothing is.
func Target(vpa *vpav1.VerticalPodAutoscaler, container string) corev1.ResourceList {
	if vpa.Status.Recommendation == nil {
		return nil
	}
	for _, r := range vpa.Status.Recommendation.ContainerRecommendations {
		if r.ContainerName == container {
			return r.Target
		}
	}
	return nil
}
