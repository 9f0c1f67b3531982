package cluster

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

// apiServer is the API server's program.
const apiServer = "kube-apiserver"

func (c *Cluster) startAPIServer(ctx context.Context) error {
	args, err := c.apiServerArgs()
	if err != nil {
		return err
	}
	return c.start(ctx, Program{
		Name: apiServer, Args: args,
		Ready: func(ctx context.Context) error {
			return c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		},
		ReadyTimeout: time.Minute,
	})
}

func (c *Cluster) apiServerArgs() ([]string, error) {
	etcd, err := c.address("etcd")
	if err != nil {
		return nil, err
	}
	port, err := c.Port(apiServer)
	if err != nil {
		return nil, err
	}
	args := []string{
		"--secure-port=" + strconv.Itoa(port),
		"--endpoint-reconciler-type=none", // endpoints may not hold loopback addresses
		"--etcd-servers=http://" + etcd, "--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
		"--client-ca-file=" + c.pki("ca.crt"),
		"--tls-cert-file=" + c.pki("kube-apiserver.crt"), "--tls-private-key-file=" + c.pki("kube-apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki("service-account.pub"),
		"--service-account-signing-key-file=" + c.pki("service-account.key"),
		"--kubelet-client-certificate=" + c.pki("kube-apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + c.pki("kube-apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + c.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + c.pki("front-proxy-client.key"),
	}
	if c.options.Node != nil {
		// All of the node's addresses are its own. A Service is followed to its pods' addresses, without a proxy.
		args = append(args, "--bind-address=0.0.0.0", "--advertise-address="+c.host(), "--enable-aggregator-routing")
	} else {
		// Without --enable-aggregator-routing: with it, services of type ExternalName would not be followed, and they
		// are how our processes are reached.
		args = append(args, "--bind-address="+c.host(), "--advertise-address="+c.host())
	}
	if !c.options.Audit {
		return args, nil
	}
	audit, err := c.auditArgs()
	return append(args, audit...), err
}

// CrashAPIServer kills the API server (SIGKILL): every watch breaks, and until StartAPIServer every call
// is refused.
func (c *Cluster) CrashAPIServer() error {
	c.mu.Lock()
	i := slices.IndexFunc(c.own, func(p *Process) bool { return p.Name() == apiServer })
	if i < 0 {
		c.mu.Unlock()
		return errors.New("crash the API server: it does not run")
	}
	p := c.own[i]
	c.own = slices.Delete(slices.Clone(c.own), i, i+1)
	c.mu.Unlock()
	return p.Kill()
}

// StartAPIServer starts the API server again, with what etcd holds, and returns when it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error { return c.startAPIServer(ctx) }
