package cluster

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/sartor-vpa/sartor/e2e/cluster/pki"
	"github.com/sartor-vpa/sartor/e2e/cluster/realnode"
)

// masters is the group that Kubernetes lets do everything.
const masters = "system:masters"

// users are those who call the API server with a certificate; some of them also serve with it.
var users = []struct {
	file    string
	subject pki.Subject
}{
	{"admin", pki.Subject{Name: "admin", Groups: []string{masters}}},
	{"kube-controller-manager", pki.Subject{Name: "system:kube-controller-manager"}},
	{"kube-scheduler", pki.Subject{Name: "system:kube-scheduler"}},
	{"kwok", pki.Subject{Name: "kwok", Groups: []string{masters}, Hosts: []string{"127.0.0.1", "localhost"}}},
	// The API server calls it by its Service's name, though it reaches it at localhost.
	{"metrics-server", pki.Subject{Name: "metrics-server", Hosts: []string{"metrics-server.kube-system.svc"}}},
	{"kubelet", pki.Subject{Name: "system:node:" + realnode.Name, Groups: []string{"system:nodes"}, Hosts: []string{realnode.Address, realnode.Name}}},
}

// writeKeys writes all keys and certificates, and a kubeconfig for each user.
func (c *Cluster) writeKeys() error {
	dir := c.file("pki")
	ca, err := pki.NewAuthority(dir, "ca", "sartor-cluster-ca")
	if err != nil {
		return err
	}
	c.caPEM = ca.PEM()
	// Aggregated API servers trust whom this one names: an authority of its own, or any user's
	// certificate would let its holder be anybody.
	front, err := pki.NewAuthority(dir, "front-proxy-ca", "sartor-front-proxy-ca")
	if err != nil {
		return err
	}
	if err := front.Issue("front-proxy-client", pki.Subject{Name: "front-proxy-client"}); err != nil {
		return err
	}
	if err := pki.WriteKeyPair(dir, "service-account"); err != nil {
		return err
	}
	if err := ca.Issue("kube-apiserver", pki.Subject{Name: "kube-apiserver", Hosts: []string{
		"127.0.0.1", realnode.APIService, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
	}}); err != nil {
		return err
	}
	if err := ca.Issue("kube-apiserver-kubelet-client", pki.Subject{Name: "kube-apiserver-kubelet-client", Groups: []string{masters}}); err != nil {
		return err
	}
	for _, u := range users {
		if err := ca.Issue(u.file, u.subject); err != nil {
			return err
		}
		if err := c.writeUserKubeconfig(u.file); err != nil {
			return err
		}
	}
	return nil
}

// connect makes the clients that Start itself uses.
func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return fmt.Errorf("read own kubeconfig: %w", err)
	}
	config.QPS = -1 // a hundred nodes are made at once; the server has its own limits
	c.rest = config
	if c.client, err = kubernetes.NewForConfig(rest.CopyConfig(config)); err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	return nil
}

func (c *Cluster) writeUserKubeconfig(user string) error {
	certificate, err := os.ReadFile(c.pki(user + ".crt"))
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	key, err := os.ReadFile(c.pki(user + ".key"))
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return c.writeKubeconfig(c.kubeconfigPath(user), "", &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key})
}

// writeKubeconfig writes one that stands alone: no path in it, so that it can be copied elsewhere.
func (c *Cluster) writeKubeconfig(path, namespace string, who *clientcmdapi.AuthInfo) error {
	address, err := c.address("kube-apiserver")
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["sartor"] = &clientcmdapi.Cluster{Server: "https://" + address, CertificateAuthorityData: c.caPEM}
	config.AuthInfos["user"] = who
	config.Contexts["sartor"] = &clientcmdapi.Context{Cluster: "sartor", AuthInfo: "user", Namespace: namespace}
	config.CurrentContext = "sartor"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

func (c *Cluster) kubeconfigPath(user string) string { return c.file(user + ".kubeconfig") }

// pki is the path of a key or certificate.
func (c *Cluster) pki(file string) string { return c.file("pki", file) }

// host is the address at which this machine, or the real node, is reached from pods and by the API server.
func (c *Cluster) host() string {
	if c.options.Node != nil {
		return realnode.Address
	}
	return "127.0.0.1"
}

// reachable is where a program listens that pods call, too: at host().
func (c *Cluster) reachable(name string) (string, error) {
	port, err := c.Port(name)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(c.host(), strconv.Itoa(port)), nil
}

// address is where the program of that name listens, as 127.0.0.1:PORT.
func (c *Cluster) address(name string) (string, error) {
	port, err := c.Port(name)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
}
