package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// kubectlCases are what kubectl shows, in the order in which a reader gets to see it.
var kubectlCases = []struct {
	about, workload string
	// bare: without its controller.
	bare bool
}{
	{"A pod gets what is recommended. There is nothing to tell.", "shop", false},
	{"Nobody's pod is left as it is, and not even shown to the webhook.", "shop", true},
	{"The VPA's own maxAllowed is below what is recommended.", "capped", false},
	{"A LimitRange of the namespace is.", "ranged", false},
	{"What makes no sense is skipped. The rest is used.", "absurd", false},
	{"Nothing of a recommendation makes sense: the pod is as it was declared.", "hopeless", false},
	{"Two VPAs name one Deployment: the older one counts.", "crowded", false},
	{"More is recommended than the namespace's ResourceQuota has left. Kubernetes rejects the pod, as it would if that had been declared.", "short", false},
}

// kubectlWarns shows what a person gets to see who creates a pod with kubectl, dry and in earnest.
func (h *hooks) kubectlWarns(t *testing.T) {
	var document strings.Builder
	document.WriteString(`# Controllers create most pods, and what the API server warns them of nobody reads: it is in the audit log, too.
# Whoever creates a pod with kubectl sees it. All pods declare requests cpu=100m memory=128Mi, limits cpu=1 memory=256Mi.
`)
	for _, tc := range kubectlCases {
		pod := h.pod(t, tc.workload)
		if tc.bare {
			pod.OwnerReferences, pod.Name = nil, "bare"
		}
		fmt.Fprintf(&document, "\n# %s\n", tc.about)
		h.createdDryAndInEarnest(t, pod, &document)
	}
	goldenText(t, filepath.Join("..", "webhook_kubectl"), document.String())
}

// createdDryAndInEarnest creates a pod, and holds that both ways show the same and give the same.
func (h *hooks) createdDryAndInEarnest(t *testing.T, pod *corev1.Pod, document *strings.Builder) {
	manifest, err := json.Marshal(pod)
	require.NoError(t, err)
	shown, told := h.terminal(t, string(manifest), "create", "--dry-run=server", "-f", "-")
	fmt.Fprintf(document, "$ kubectl create --dry-run=server -f %s.yaml\n%s%s", pod.Name, told, shown)
	_, err = kubeClient(t, h.cluster).CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "nothing was written: %v", err)

	var pods []corev1.Pod
	for _, args := range [][]string{{"create", "--dry-run=server"}, {"create"}} {
		text, again := h.terminal(t, string(manifest), append(args, "-o=json", "-f", "-")...)
		require.Equal(t, told, again, "%v", args)
		if text == "" {
			continue // it was refused
		}
		var made corev1.Pod
		require.NoError(t, json.Unmarshal([]byte(text), &made))
		pods = append(pods, made)
	}
	if len(pods) == 0 {
		return
	}
	require.Equal(t, pods[0].Spec.Containers[0].Resources, pods[1].Spec.Containers[0].Resources)
	require.Equal(t, pods[0].Annotations, pods[1].Annotations)
	r := pods[1].Spec.Containers[0].Resources
	fmt.Fprintf(document, "requests cpu=%s memory=%s, limits cpu=%s memory=%s\n", r.Requests.Cpu(), r.Requests.Memory(), r.Limits.Cpu(), r.Limits.Memory())
}

// terminal is what kubectl writes to its output, and what it tells of beside that, whether it succeeds or not.
func (h *hooks) terminal(t *testing.T, stdin string, args ...string) (shown, told string) {
	t.Helper()
	cmd := exec.Command(h.cluster.KubectlPath(), args...)
	cmd.Env = process.Environ("KUBECONFIG="+h.cluster.Kubeconfig(), "KUBECACHEDIR="+t.TempDir())
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = process.Run(t.Context(), cmd) // what it says of its failure is shown
	return out.String(), errOut.String()
}
