package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// Who has patched a pod.
const (
	nobody    = 'n'
	upstreams = 'u'
	sartors   = 's'
	both      = 'b' // one after the other, on the same pod
)

// prober creates one pod after the other, dry, until the test ends, and keeps who patched each.
type prober struct {
	mu       sync.Mutex
	patchers []byte
	last     *corev1.Pod
	err      error
}

// pace is the time between two pods: the least that a gap lasts which is seen.
const pace = 5 * time.Millisecond

// probe begins with the API server's answers to pod. Its requests are far below what is recommended, and its limits no
// whole CPUs.
func probe(t *testing.T, h *hooks, pod *corev1.Pod) *prober {
	p := &prober{}
	client := kubeClient(t, h.cluster)
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				made, err := createDry(context.WithoutCancel(t.Context()), client, pod)
				p.note(pod, made, err)
			}
		}
	})
	t.Cleanup(func() { close(done); running.Wait() })
	return p
}

func (p *prober) note(declared, made *corev1.Pod, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.err = cmp.Or(p.err, err)
		return
	}
	p.patchers, p.last = append(p.patchers, patcher(declared, made)), made
}

// patcher tells who has patched a pod by what only one of them does. Upstream's webhook keeps the ratio of limits to
// requests. Ours writes down what it found, which is what was declared unless another was before; and leaves whole
// CPUs, unless another was after.
func patcher(declared, made *corev1.Pod) byte {
	was, is := declared.Spec.Containers[0].Resources, made.Spec.Containers[0].Resources
	found, ours := made.Annotations["sartor.dev/declared"]
	switch {
	case !ours && made.Annotations["vpaUpdates"] == "":
		return nobody
	case !ours:
		return upstreams
	case strings.Contains(found, fmt.Sprintf(`"cpu":%q`, was.Requests.Cpu())) && is.Limits.Cpu().MilliValue()%1000 == 0:
		return sartors
	default:
		return both
	}
}

// mark is how many pods there have been.
func (p *prober) mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.patchers)
}

// turns are those who patched since mark, in their turns, like "us" where upstream's webhook patched each pod until ours
// did, and how many pods each turn had.
func (p *prober) turns(t *testing.T, mark int) (who string, pods []int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NoError(t, p.err)
	for _, patcher := range p.patchers[mark:] {
		if who == "" || who[len(who)-1] != patcher {
			who, pods = who+string(patcher), append(pods, 0)
		}
		pods[len(pods)-1]++
	}
	return who, pods
}

// until waits until n pods in a row were patched by who, of those created from now on.
func (p *prober) until(t *testing.T, who byte, n int) {
	t.Helper()
	mark := p.mark()
	require.NoError(t, poll.Within(t.Context(), time.Minute, 50*time.Millisecond, func(context.Context) error {
		turns, pods := p.turns(t, mark)
		if turns == "" || turns[len(turns)-1] != who || pods[len(pods)-1] < n {
			return fmt.Errorf("the turns are %q of %v pods", turns, pods)
		}
		return nil
	}), "pods are patched by %q", who)
}

func TestWhoPatchedAPodIsToldFromThePod(t *testing.T) {
	pod := func(requests, limits, declared string, updates bool) *corev1.Pod {
		p := &corev1.Pod{}
		p.Annotations = map[string]string{}
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list(requests, "1Gi"), Limits: list(limits, "2Gi")}}}
		if declared != "" {
			p.Annotations["sartor.dev/declared"] = `{"app":{"requests":{"cpu":"` + declared + `"}}}`
		}
		if updates {
			p.Annotations["vpaUpdates"] = "Pod resources updated by shop"
		}
		return p
	}
	declared := pod("100m", "1500m", "", false)
	for who, made := range map[byte]*corev1.Pod{
		nobody:    declared,
		upstreams: pod("379m", "5685m", "", true),
		sartors:   pod("379m", "2", "100m", true),
	} {
		require.Equal(t, string(who), string(patcher(declared, made)))
	}
	require.Equal(t, string(both), string(patcher(declared, pod("379m", "6", "379m", true))), "ours after upstream's")
	require.Equal(t, string(both), string(patcher(declared, pod("379m", "7580m", "100m", true))), "upstream's after ours")
}
