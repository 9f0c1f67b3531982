package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// tokenLifetime is that of a service account's token: longer than any demo.
const tokenLifetime = 24 * time.Hour

// KubectlPath is the path of a kubectl of the cluster's version.
func (c *Cluster) KubectlPath() string { return filepath.Join(c.programs, "kubectl") }

// Kubectl runs kubectl as admin, with stdin as its input, and returns what it printed. The error has
// what it wrote to stderr.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.Command(c.KubectlPath(), args...)
	cmd.Env = process.Environ("KUBECONFIG="+c.Kubeconfig(), "KUBECACHEDIR="+c.file("kubectl-cache"))
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := process.Run(ctx, cmd); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}

// ServiceAccountKubeconfig writes a kubeconfig with a token (24 h) of an existing service account, for
// the program of that name, and returns its path. A program that runs with it, as a process beside the
// cluster, has exactly the rights that the account's manifests give it.
func (c *Cluster) ServiceAccountKubeconfig(ctx context.Context, namespace, name, program string) (string, error) {
	seconds := int64(tokenLifetime / time.Second)
	token, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) {
		return "", fmt.Errorf("no service account %s/%s: apply the manifests that make it first: %w", namespace, name, err)
	}
	if err != nil {
		return "", fmt.Errorf("token for service account %s/%s: %w", namespace, name, err)
	}
	path := c.file(namespace + "-" + name + "-" + program + ".kubeconfig")
	return path, c.writeKubeconfig(path, namespace, &clientcmdapi.AuthInfo{Token: token.Status.Token})
}
