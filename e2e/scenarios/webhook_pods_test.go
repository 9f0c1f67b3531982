package scenarios

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
)

// firstPods: a pod may come before its owner's creation was heard of. The owner is then read. Here a replica hears of none,
// because its account may not watch them.
func (h *hooks) firstPods(t *testing.T) {
	h.allowBlind(t)
	kubeconfig, err := h.cluster.ServiceAccountKubeconfig(t.Context(), install.Namespace, blindAccount, blindAccount)
	require.NoError(t, err)
	blind := h.startHook(t, blindAccount, kubeconfig, "/readyz", "--shutdown-delay=0s")
	defer blind.terminate(t)
	sets := kubeClient(t, h.cluster).AppsV1().ReplicaSets(hooked)
	pod := h.pod(t, "live")
	first, err := sets.Get(t.Context(), pod.OwnerReferences[0].Name, metav1.GetOptions{})
	require.NoError(t, err)
	for i := range 20 {
		labels := map[string]string{"app": "live", appsv1.DefaultDeploymentUniqueLabelKey: fmt.Sprint("first-", i)}
		set := &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("live-first-", i), Labels: labels, OwnerReferences: first.OwnerReferences},
			Spec:       *first.Spec.DeepCopy(),
		}
		set.Spec.Selector.MatchLabels, set.Spec.Template.Labels = labels, labels
		set, err := sets.Create(t.Context(), set, metav1.CreateOptions{})
		require.NoError(t, err)
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
		require.NoError(t, patches(h.asks(t, blind, pod, time.Second)), "ReplicaSet %d", i)
	}
}

const blindAccount = "webhook-blind"

// allowBlind makes an account that may do what the webhook's may, but for watching workloads.
func (h *hooks) allowBlind(t *testing.T) {
	const name = "sartor-admission" // of all of the manifests'
	rights := kubeClient(t, h.cluster).RbacV1()
	role, err := rights.ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	blind := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: blindAccount}, Rules: role.Rules}
	for i := range blind.Rules {
		if slices.Contains(blind.Rules[i].APIGroups, appsv1.GroupName) {
			require.Contains(t, blind.Rules[i].Verbs, "watch")
			blind.Rules[i].Verbs = []string{"get", "list"}
		}
	}
	_, err = rights.ClusterRoles().Create(t.Context(), blind, metav1.CreateOptions{})
	require.NoError(t, err)
	account := "--serviceaccount=" + install.Namespace + ":" + blindAccount
	for _, args := range [][]string{
		{"create", "serviceaccount", blindAccount},
		{"create", "clusterrolebinding", blindAccount, "--clusterrole=" + blindAccount, account},
		{"create", "rolebinding", blindAccount, "--role=" + name, account},
	} {
		h.kubectl(t, "", append([]string{"-n", install.Namespace}, args...)...)
	}
}

// invalidLeaf serves a leaf that the right authority has signed, and that is not valid now.
func (h *hooks) invalidLeaf(t *testing.T) {
	client := kubeClient(t, h.cluster)
	secret, err := client.CoreV1().Secrets(install.Namespace).Get(t.Context(), "sartor-admission-ca", metav1.GetOptions{})
	require.NoError(t, err)
	authority, err := tls.X509KeyPair(secret.Data["ca.crt"], secret.Data["ca.key"])
	require.NoError(t, err)
	pod := h.pod(t, "shop")
	for name, begins := range map[string]time.Time{"expired": time.Now().AddDate(-1, 0, 0), "not yet valid": time.Now().AddDate(0, 1, 0)} {
		certificate, key := writeLeaf(t, authority, begins)
		spoilt := h.startHook(t, "webhook-spoilt", h.kubeconfig(t, "webhook-spoilt"), "/healthz", "--tls-cert-file="+certificate, "--tls-private-key="+key, "--client-ca-file=", "--shutdown-delay=0s")
		eventually(t, "its caches are synced", func(ctx context.Context) error {
			if err := answers(ctx, spoilt.URL+"/readyz"); err == nil || !strings.Contains(err.Error(), "is valid from") {
				return fmt.Errorf("it says: %w", err)
			}
			return nil
		})
		require.Zero(t, spoilt.metric(t, "sartor_admission_certificate_usable", nil), name)

		before := h.calls(t)
		h.called.callOnly(spoilt)
		h.way.cut()
		unpatched, err := createDry(t.Context(), client, pod)
		require.NoError(t, err, name)
		require.Error(t, patched(unpatched), name)
		require.InDelta(t, before.failedOpen+1, h.calls(t).failedOpen, 0, name)
		h.called.callOnly(nil)
		spoilt.terminate(t)
		again, err := createDry(t.Context(), client, pod)
		require.NoError(t, err)
		require.NoError(t, patched(again), "the next call goes to whoever is ready")
	}
}

// writeLeaf writes a leaf for the webhook's Service that begins then and lasts for a month, and its key.
func writeLeaf(t *testing.T, authority tls.Certificate, begins time.Time) (certificate, key string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"sartor-admission." + install.Namespace + ".svc"},
		NotBefore: begins, NotAfter: begins.AddDate(0, 1, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, authority.Leaf, private.Public(), authority.PrivateKey)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certificate, key = filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return certificate, key
}
