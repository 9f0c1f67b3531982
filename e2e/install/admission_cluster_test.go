package install_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/install"
)

const (
	sane = `{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, metadata: {name: shop, annotations: {sartor.dev/inherits-from: x}},
  spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}}}`
	crossed = `{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, metadata: {name: crossed},
  spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop},
  resourcePolicy: {containerPolicies: [{containerName: app, minAllowed: {cpu: 2}, maxAllowed: {cpu: 1}}]}}}`
	denial = `The VerticalPodAutoscaler "crossed" is invalid: ` +
		`spec.resourcePolicy.containerPolicies[0].maxAllowed[cpu]: Invalid value: "1": max resource for cpu is lower than min of "2"`
)

func until(t *testing.T, within time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	require.NoError(t, poll.Within(t.Context(), within, 200*time.Millisecond, check), what)
}

// TestTheWebhookValidatesRenewsItsLeaseAndRotatesItsAuthorityUnderLoad runs the webhook with the manifests' rights,
// behind the manifests' configuration, before a real API server.
func TestTheWebhookValidatesRenewsItsLeaseAndRotatesItsAuthorityUnderLoad(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Nodes: 1, Progress: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	sartor, err := install.Prepare(t.Context(), c, install.Options{Race: true, Progress: t.Output()})
	require.NoError(t, err)
	require.NoError(t, sartor.StartAdmission(t.Context()))
	kube, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)

	t.Run("a VPA that makes no sense is denied, on dry run, too", func(t *testing.T) { denied(t, c) })
	t.Run("a VPA that was broken before can be labelled, gets a status, and is deleted", func(t *testing.T) { repaired(t, c) })
	t.Run("a rotation under load fails no call", func(t *testing.T) { rotated(t, c, kube) })
	t.Run("the lease is renewed", func(t *testing.T) {
		until(t, time.Minute, "the lease that upstream's updater waits for", func(ctx context.Context) error {
			lease, err := kube.CoordinationV1().Leases("kube-system").Get(ctx, "vpa-admission-controller", metav1.GetOptions{})
			if err == nil && (lease.Spec.RenewTime == nil || time.Since(lease.Spec.RenewTime.Time) > 30*time.Second) {
				err = fmt.Errorf("renewed at %v", lease.Spec.RenewTime)
			}
			return err
		})
	})
}

func denied(t *testing.T, c *cluster.Cluster) {
	for _, args := range [][]string{{"apply", "-f", "-"}, {"create", "--dry-run=server", "-f", "-"}} {
		_, err := c.Kubectl(t.Context(), crossed, args...)
		require.ErrorContains(t, err, denial)
	}
	_, err := c.Kubectl(t.Context(), sane, "create", "--dry-run=server", "--warnings-as-errors", "-f", "-")
	require.ErrorContains(t, err, "there is no such annotation of VPAs")
	_, err = c.Kubectl(t.Context(), sane, "apply", "-f", "-")
	require.NoError(t, err)
	mode, err := c.Kubectl(t.Context(), "", "get", "vpa", "shop", "-o=jsonpath={.spec.updatePolicy.updateMode}")
	require.NoError(t, err)
	require.Equal(t, "Recreate", mode, "as upstream")
}

// repaired breaks a VPA while nobody validates, and then works on it.
func repaired(t *testing.T, c *cluster.Cluster) {
	kubectl := func(stdin string, args ...string) {
		t.Helper()
		_, err := c.Kubectl(t.Context(), stdin, args...)
		require.NoError(t, err)
	}
	const rules = `{"webhooks":[{"name":"verticalpodautoscalers.vpa.k8s.io","rules":[{"apiGroups":["autoscaling.k8s.io"],"apiVersions":["v1"],"operations":[%s],"resources":["verticalpodautoscalers"],"scope":"Namespaced"}]}]}`
	kubectl("", "patch", "mutatingwebhookconfiguration", "vpa-webhook-config", "--type=strategic", "-p", fmt.Sprintf(rules, `"UPDATE"`))
	until(t, time.Minute, "a broken VPA is taken while its creation is not reviewed", func(ctx context.Context) error {
		_, err := c.Kubectl(ctx, crossed, "apply", "-f", "-")
		return err
	})
	kubectl("", "patch", "mutatingwebhookconfiguration", "vpa-webhook-config", "--type=strategic", "-p", fmt.Sprintf(rules, `"CREATE","UPDATE"`))
	kubectl("", "label", "vpa", "crossed", "a=b")
	kubectl("", "patch", "vpa", "crossed", "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":[]}}`)
	_, err := c.Kubectl(t.Context(), "", "patch", "vpa", "crossed", "--type=json", "-p", `[{"op":"replace","path":"/spec/resourcePolicy/containerPolicies/0/minAllowed/cpu","value":"3"}]`)
	require.ErrorContains(t, err, "max resource for cpu is lower than min", "as wrong, in another way")
	kubectl("", "patch", "vpa", "crossed", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/wait"]}}`)
	kubectl("", "delete", "vpa", "crossed", "--wait=false")
	kubectl("", "patch", "vpa", "crossed", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	kubectl("", "wait", "--for=delete", "vpa/crossed", "--timeout=30s")
}

// rotated replaces the authority while VPAs are reviewed all the time: one that is let through was not reviewed.
func rotated(t *testing.T, c *cluster.Cluster, kube kubernetes.Interface) {
	var done atomic.Bool
	var calls atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for !done.Load() {
			_, err := c.Kubectl(t.Context(), crossed, "create", "--dry-run=server", "-f", "-")
			if err == nil || !strings.Contains(err.Error(), denial) {
				ended <- fmt.Errorf("after %d calls, one was not reviewed: %w", calls.Load(), err)
				return
			}
			calls.Add(1)
		}
		ended <- nil
	}()
	state := func(ctx context.Context) (secret, published string, err error) {
		s, err := kube.CoreV1().Secrets(install.Namespace).Get(ctx, "sartor-admission-ca", metav1.GetOptions{})
		if err != nil {
			return "", "", err
		}
		hooks, err := kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "vpa-webhook-config", metav1.GetOptions{})
		if err != nil {
			return "", "", err
		}
		return fmt.Sprintf("%x", sha256.Sum256(s.Data["ca.crt"])), string(hooks.Webhooks[1].ClientConfig.CABundle), nil
	}
	first, _, err := state(t.Context())
	require.NoError(t, err)
	_, err = c.Kubectl(t.Context(), "", "annotate", "secret", "-n", install.Namespace, "sartor-admission-ca", "sartor.dev/rotate=now")
	require.NoError(t, err)
	until(t, 5*time.Minute, "another authority signs, and both are published", func(ctx context.Context) error {
		select {
		case err := <-ended:
			ended <- err
			return nil
		default:
		}
		secret, published, err := state(ctx)
		switch {
		case err != nil:
			return err
		case strings.Count(published, "BEGIN CERTIFICATE") != 2:
			return errors.New("the next authority is not published")
		case secret == first:
			return errors.New("the first authority still signs")
		}
		return nil
	})
	before := calls.Load()
	until(t, time.Minute, "calls with the new leaf", func(context.Context) error {
		if calls.Load() < before+5 && len(ended) == 0 {
			return errors.New("few calls")
		}
		return nil
	})
	done.Store(true)
	require.NoError(t, <-ended)
	t.Logf("%d calls, all of them reviewed", calls.Load())
}
