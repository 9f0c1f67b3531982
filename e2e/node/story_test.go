package node

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/story"
)

// What only cAdvisor knows of the shop's memory: it holds 640 MiB and a little, where the recorded days never had more than
// 530, and dev's has 1500. A percentile is up to 5 % above what was measured, and the margin is 15 %.
const (
	leastOfShop = 640 << 20 * 115 / 100
	mostOfShop  = 660 << 20 * 105 / 100 * 115 / 100
)

// told: the story is true of containers that really run, of their days in Prometheus and of what its scrapes added.
func (s *scene) told(t *testing.T) {
	for _, app := range []string{story.Stable, story.Candidate} {
		s.seen(t, app)
	}
	// What was recorded of it has the job kubelet.
	dev, err := s.scraped(t.Context(), `container_memory_working_set_bytes{env="dev",namespace="store",job!="kubelet",container="shop"}`, time.Now())
	require.NoError(t, err)
	require.NotEmpty(t, dev, "dev's shop could be taken for prod's")

	told := &story.Story{Cluster: s.cluster}
	told.Before, err = told.Pods(t.Context())
	require.NoError(t, err)
	require.NoError(t, told.Recommend(t.Context()))
	for _, app := range []string{story.Stable, story.Candidate} {
		s.loaded(t, app)
	}
	require.NoError(t, told.Recommend(t.Context()), "as it is with all of history")
	s.requireShop(t)
	s.answered(t)
	require.NoError(t, told.Renew(t.Context()))
	require.NoError(t, told.Check())
	for _, pod := range told.After {
		require.NoError(t, allInKernel(pod))
	}
	s.kubectl(t, "", "--namespace=store-of-dev", "delete", "deployment", story.Stable, "--wait=false")
	s.described(t)
	s.nextCandidate(t, told)
}

// seen waits until Prometheus has at least a whole minute of each of the app's containers that cAdvisor saw.
func (s *scene) seen(t *testing.T, app string) {
	t.Helper()
	eventually(t, "Prometheus has a minute of "+app, func(ctx context.Context) error {
		n, err := s.minutes(ctx, app, time.Now().Truncate(time.Minute))
		if err == nil && n < 2 { // its sidecar's, too
			err = fmt.Errorf("it has %d of its containers", n)
		}
		return err
	})
}

// requireShop: the shop's memory is what cAdvisor measured in this environment.
func (s *scene) requireShop(t *testing.T) corev1.ResourceList {
	t.Helper()
	vpa, err := story.GetVPA(t.Context(), s.cluster, s.namespace, story.Stable)
	require.NoError(t, err)
	target := story.Target(vpa, story.Stable)
	require.GreaterOrEqual(t, target.Memory().Value(), int64(leastOfShop), "what is scraped counts")
	require.LessOrEqual(t, target.Memory().Value(), int64(mostOfShop), "what is dev's does not")
	// Days of 240m, against minutes of 150m; dev's are of 2400m.
	require.InEpsilon(t, 280, target.Cpu().MilliValue(), 0.1, "the days count")
	return target
}

// said is what kubectl describe tells of the shop and of its candidate, line by line.
var said = []string{
	`8 days of history were read from Prometheus\.`,
	`istio-proxy: cpu 1[0-9]m \(p90 \+ 15%, raised to the container's share of the pod minimum\), memory 125Mi .*` +
		`shop: cpu \d+m \(p90 \+ 15%, limit 2\), memory \d+Mi \(p90 of daily peaks \+ 15%, limit \d+Mi\), from 3 days of Prometheus history and live metrics\.`,
	`Values come from VPA shop: istio-proxy from istio-proxy, shop-rc from shop\.`,
	`shop-rc: cpu \d+m \(p90 \+ 15%, limit 2\), memory \d+Mi \(p90 of daily peaks \+ 15%, limit \d+Mi\), from VPA shop's container shop: 3 days of Prometheus history and live metrics\.`,
	`HistoryLoaded .* 8 days of history were read from Prometheus\.`,
	`Inherited .* Values come from VPA shop`,
}

func (s *scene) described(t *testing.T) {
	eventually(t, "what kubectl describe tells", func(context.Context) error {
		text := "" // of one at a time: of several it tells no events
		for _, vpa := range []string{story.Stable, story.Candidate} {
			text += s.kubectl(t, "", "--namespace="+s.namespace, "describe", "vpa", vpa)
		}
		for _, line := range said {
			if !regexp.MustCompile(line).MatchString(text) {
				return fmt.Errorf("no line is like %s:\n%s", line, text)
			}
		}
		return nil
	})
}

// nextCandidate: the next release's candidate, with a VPA that is as new. What its predecessor's containers were called is in
// Prometheus, so that its very first pod has what was learnt from the shop.
func (s *scene) nextCandidate(t *testing.T, told *story.Story) {
	s.kubectl(t, "", "--namespace="+s.namespace, "delete", "deployment,vpa", story.Candidate)
	s.pods(t, story.Candidate, 0)
	require.NoError(t, told.Recommend(t.Context()))
	s.answered(t)
	s.kubectl(t, manifest(store), "apply", "-f", "-")
	first := s.running(t, s.pods(t, story.Candidate, 1)[0].Name)
	vpa := told.VPAs[story.Stable]
	for i, own := range []string{story.Candidate, story.Sidecar} {
		require.Equal(t, own, first.Spec.Containers[i].Name)
		from := strings.TrimSuffix(own, "-rc")
		require.Equal(t, describe(corev1.ResourceRequirements{Requests: story.Target(&vpa, from)}),
			describe(corev1.ResourceRequirements{Requests: first.Spec.Containers[i].Resources.Requests}), "as VPA shop says of %s", from)
	}
	require.NoError(t, allInKernel(first))
}

// loaded waits until an app's VPA tells that all of its history was read, and that there was some.
func (s *scene) loaded(t *testing.T, app string) {
	t.Helper()
	eventually(t, "the history of "+app, func(ctx context.Context) error {
		vpa, err := story.GetVPA(ctx, s.cluster, s.namespace, app)
		if err != nil {
			return err
		}
		for _, c := range vpa.Status.Conditions {
			if c.Type == vpav1.FetchingHistory && c.Reason == "HistoryLoaded" {
				return nil
			}
		}
		return errors.New(conditions(vpa))
	})
}
