package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (c *Cluster) startEtcd(ctx context.Context) error {
	client, err := c.address("etcd")
	if err != nil {
		return err
	}
	peer, err := c.address("etcd-peer")
	if err != nil {
		return err
	}
	return c.start(ctx, Program{
		Name: "etcd",
		Args: []string{
			"--data-dir=" + c.file("etcd"), "--log-level=warn",
			"--unsafe-no-fsync", // the data dies with the machine anyway, and syncing is most of its time
			"--listen-client-urls=http://" + client, "--advertise-client-urls=http://" + client,
			"--listen-peer-urls=http://" + peer, "--initial-advertise-peer-urls=http://" + peer,
			"--initial-cluster=default=http://" + peer,
		},
		Ready: httpOK("http://" + client + "/readyz"),
	})
}

// startControllerManager waits for the first thing that the controllers make and pods cannot be
// without: a namespace's default service account.
func (c *Cluster) startControllerManager(ctx context.Context) error {
	args, _, err := c.controllerArgs("kube-controller-manager")
	if err != nil {
		return err
	}
	if err := c.start(ctx, Program{
		Name: "kube-controller-manager",
		Args: append(args,
			"--use-service-account-credentials",
			"--root-ca-file="+c.pki("ca.crt"), "--service-account-private-key-file="+c.pki("service-account.key"),
			"--cluster-signing-cert-file="+c.pki("ca.crt"), "--cluster-signing-key-file="+c.pki("ca.key"),
		),
		Ready: func(ctx context.Context) error {
			_, err := c.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
			return err
		},
		ReadyTimeout: time.Minute,
	}); err != nil {
		return err
	}
	c.say("kube-controller-manager ready")
	return nil
}

func (c *Cluster) startScheduler(ctx context.Context) error {
	args, address, err := c.controllerArgs("kube-scheduler")
	if err != nil {
		return err
	}
	if err := c.start(ctx, Program{
		Name: "kube-scheduler", Args: args,
		Ready:        httpOK("https://" + address + "/readyz"),
		ReadyTimeout: time.Minute,
	}); err != nil {
		return err
	}
	c.say("kube-scheduler ready")
	return nil
}

// controllerArgs are the flags that the controller manager and the scheduler share.
func (c *Cluster) controllerArgs(name string) (args []string, address string, err error) {
	port, err := c.Port(name)
	if err != nil {
		return nil, "", err
	}
	config := c.kubeconfigPath(name)
	return []string{
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port),
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--leader-elect=false",                        // there is one of each, and an election takes seconds
		"--kube-api-qps=500", "--kube-api-burst=1000", // by default they wait for their own limits: the first for 5 s of its start
	}, fmt.Sprintf("127.0.0.1:%d", port), nil
}
