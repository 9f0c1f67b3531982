package install

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/pki"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
)

// Upstream is upstream's programs beside a cluster, to be compared with and to work together with ours. They run
// with all rights: what they need is upstream's affair.
type Upstream struct {
	cluster *cluster.Cluster
	bin     string
}

// PrepareUpstream makes sure that upstream's programs are built and that the cluster serves VPAs. Nothing runs yet.
// w gets a line for what takes long; nil: silent.
func PrepareUpstream(ctx context.Context, c *cluster.Cluster, w io.Writer) (*Upstream, error) {
	bin, err := programs.Upstream(ctx, func(format string, args ...any) {
		if w != nil {
			fmt.Fprintf(w, "         "+format+"\n", args...)
		}
	})
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if _, err := c.Kubectl(ctx, "", "apply", "-f", filepath.Join(root, "deploy", "crds")); err != nil {
		return nil, err
	}
	return &Upstream{cluster: c, bin: bin}, established(ctx, c)
}

// StartRecommender starts upstream's recommender with args, as the process upstream-recommender.
func (u *Upstream) StartRecommender(ctx context.Context, args ...string) (*Program, error) {
	return u.start(ctx, programs.UpstreamRecommender, args)
}

// StartUpdater starts upstream's updater with args, as the process upstream-updater.
func (u *Upstream) StartUpdater(ctx context.Context, args ...string) (*Program, error) {
	return u.start(ctx, programs.UpstreamUpdater, args)
}

// StartAdmission starts upstream's admission controller with args, as the process upstream-admission-controller. Ten
// seconds later it registers itself, as it does on every cluster: it deletes the configuration vpa-webhook-config,
// whosever that is, and creates its own. It does so by its URL, because simulated nodes have no Services that lead to it.
func (u *Upstream) StartAdmission(ctx context.Context, args ...string) (*Program, error) {
	port, err := u.cluster.Port("upstream-reviews")
	if err != nil {
		return nil, err
	}
	keys, err := u.keys()
	if err != nil {
		return nil, err
	}
	return u.start(ctx, programs.UpstreamAdmission, append([]string{
		fmt.Sprintf("--port=%d", port), "--register-by-url", "--webhook-address=https://127.0.0.1", fmt.Sprintf("--webhook-port=%d", port),
		"--client-ca-file=" + filepath.Join(keys, "ca.crt"),
		"--tls-cert-file=" + filepath.Join(keys, "server.crt"), "--tls-private-key=" + filepath.Join(keys, "server.key"),
	}, args...))
}

// keys is the folder with the admission controller's authority, certificate and key, which a script of upstream's
// makes once for a cluster.
func (u *Upstream) keys() (string, error) {
	dir := filepath.Join(u.cluster.Dir(), "upstream-keys")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	authority, err := pki.NewAuthority(dir, "ca", "vpa_webhook_ca")
	if err != nil {
		return "", err
	}
	return dir, authority.Issue("server", pki.Subject{Name: "vpa-webhook.kube-system.svc", Hosts: []string{"127.0.0.1"}})
}

func (u *Upstream) start(ctx context.Context, program string, args []string) (*Program, error) {
	name := "upstream-" + program
	address, err := loopback(u.cluster, name)
	if err != nil {
		return nil, err
	}
	url := "http://" + address
	p, err := u.cluster.StartProcess(ctx, cluster.Program{
		Name: name, Path: filepath.Join(u.bin, program),
		Args:  append([]string{"--kubeconfig=" + u.cluster.Kubeconfig(), "--address=" + address}, args...),
		Ready: func(ctx context.Context) error { return get(ctx, url+"/health-check") },
	})
	return &Program{Process: p, URL: url}, err
}
