// Package install puts Sartor into a cluster with the manifests of deploy/, for demos, tests and benchmarks.
//
// Simulated nodes run no programs. So the manifests are applied with three changes, and no others (see
// overlay): their Deployments have no replicas, the webhook's Service leads to this machine, and the
// environment is the cluster's. The programs run as processes beside the cluster, with the arguments of
// their Deployments and the rights of their service accounts.
//
// On a real node they run as the manifests say, and only their images are others (see Pods).
package install

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster"
)

// Namespace is where the manifests put everything.
const Namespace = "sartor-system"

// Options say how Sartor is to run.
type Options struct {
	// Environment is the value of the label env that this cluster's series have in its Prometheus. Empty: no
	// history is read.
	Environment string
	// RecommenderArgs and AdmissionArgs are added to the manifests'.
	RecommenderArgs, AdmissionArgs []string
	// Race builds the programs with the race detector. They end at the first race.
	Race bool
	// Progress gets a line for every step; nil: silent.
	Progress io.Writer
}

// Sartor is what was installed.
type Sartor struct {
	Recommender, Admission *cluster.Process
	// RecommenderURL and AdmissionURL are where metrics and health are.
	RecommenderURL, AdmissionURL string

	installer *installer
}

// CrashRecommender kills the recommender (SIGKILL) and starts it again. It works when the lease of the one that
// was killed has run out.
func (s *Sartor) CrashRecommender(ctx context.Context) error {
	if err := s.Recommender.Kill(); err != nil {
		return err
	}
	return s.StartRecommender(ctx)
}

// StartRecommender starts the recommender, which does not run, with args added to those of the Options.
func (s *Sartor) StartRecommender(ctx context.Context, args ...string) error {
	replica, err := s.StartReplica(ctx, "recommender", args...)
	if err == nil {
		s.Recommender, s.RecommenderURL = replica.Process, replica.URL
	}
	return err
}

// StartReplica starts one more recommender, whose process is called name. It has a token of its own, by which an
// audit log tells its calls from another's.
func (s *Sartor) StartReplica(ctx context.Context, name string, args ...string) (*Program, error) {
	return s.installer.startRecommender(ctx, name, args)
}

// StartAdmission starts the webhook, which does not run.
func (s *Sartor) StartAdmission(ctx context.Context) error { return s.installer.startAdmission(ctx) }

// Program is one that runs beside the cluster, and where its metrics and health are.
type Program struct {
	*cluster.Process
	URL string
}

// Run builds the programs, applies the manifests, and returns when both programs are ready.
func Run(ctx context.Context, c *cluster.Cluster, o Options) (*Sartor, error) {
	s, err := Prepare(ctx, c, o)
	if err != nil {
		return nil, err
	}
	return s, s.installer.do(ctx,
		step{"recommender ready", func(ctx context.Context) error { return s.StartRecommender(ctx) }},
		step{"admission ready: it has made its certificates and the API server trusts them", s.StartAdmission},
	)
}

// Prepare builds the programs and applies the manifests. Nothing of it runs yet.
func Prepare(ctx context.Context, c *cluster.Cluster, o Options) (*Sartor, error) {
	i := &installer{cluster: c, options: o, started: time.Now()}
	i.sartor.installer = i
	i.say("compiling recommender and admission: minutes the first time, then seconds")
	return &i.sartor, i.do(ctx,
		step{"recommender and admission built", i.build},
		step{"manifests of deploy/ applied", i.apply},
	)
}

type step struct {
	name string
	do   func(context.Context) error
}

func (i *installer) do(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("install Sartor: %w", err)
		}
		i.say(s.name)
	}
	return nil
}

type installer struct {
	cluster *cluster.Cluster
	options Options
	started time.Time
	bin     string
	sartor  Sartor
}

func (i *installer) say(what string) {
	if i.options.Progress != nil {
		fmt.Fprintf(i.options.Progress, "%6.1fs  %s\n", time.Since(i.started).Seconds(), what)
	}
}

func (i *installer) build(ctx context.Context) error {
	i.bin = filepath.Join(i.cluster.Dir(), "bin")
	return Build(ctx, i.bin, i.options.Race)
}

func (i *installer) apply(ctx context.Context) error {
	folder := filepath.Join(i.cluster.Dir(), "deploy")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	overlay, err := i.overlay(folder)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), overlay, 0o644); err != nil {
		return err
	}
	if _, err := i.cluster.Kubectl(ctx, "", "apply", "-k", folder); err != nil {
		return err
	}
	return established(ctx, i.cluster)
}

// established waits until the API server serves VPAs and their checkpoints.
func established(ctx context.Context, c *cluster.Cluster) error {
	_, err := c.Kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=30s",
		"crd/verticalpodautoscalers.autoscaling.k8s.io", "crd/verticalpodautoscalercheckpoints.autoscaling.k8s.io")
	return err
}

func (i *installer) startRecommender(ctx context.Context, name string, more []string) (*Program, error) {
	url, args, err := i.recommenderArgs(name)
	if err != nil {
		return nil, err
	}
	p, err := i.start(ctx, name, "recommender", append(args, more...), url)
	return &Program{Process: p, URL: url}, err
}

// recommenderArgs are those of a recommender beside the cluster, and where it is then reached.
func (i *installer) recommenderArgs(name string) (url string, args []string, err error) {
	address, err := loopback(i.cluster, name)
	return "http://" + address, append([]string{
		"--address=" + address,
		"--leader-elect-resource-namespace=" + Namespace,
		"--v=1",
	}, i.options.RecommenderArgs...), err
}

func (i *installer) startAdmission(ctx context.Context) error {
	address, err := loopback(i.cluster, "admission-address")
	if err != nil {
		return err
	}
	port, err := i.cluster.Port("admission")
	if err != nil {
		return err
	}
	i.sartor.AdmissionURL = "http://" + address
	args := append([]string{
		"--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port),
		"--address=" + address,
		"--shutdown-delay=0s", // nobody calls when the cluster is going
	}, i.options.AdmissionArgs...)
	i.sartor.Admission, err = i.start(ctx, "admission", "admission", args, i.sartor.AdmissionURL)
	return err
}

// start runs a program, as the process name, with its Deployment's arguments and environment, then args, as its
// service account.
func (i *installer) start(ctx context.Context, name, program string, args []string, healthURL string) (*cluster.Process, error) {
	account := "sartor-" + program
	kubeconfig, err := i.cluster.ServiceAccountKubeconfig(ctx, Namespace, account, name)
	if err != nil {
		return nil, err
	}
	declared, err := i.declared(ctx, account)
	if err != nil {
		return nil, err
	}
	return i.cluster.StartProcess(ctx, cluster.Program{
		Name: name, Path: filepath.Join(i.bin, program),
		Args:         append(append(declared.args, "--kubeconfig="+kubeconfig), args...),
		Env:          append(declared.env, "GORACE=halt_on_error=1"),
		ReadyTimeout: time.Minute,
		Ready:        func(ctx context.Context) error { return get(ctx, healthURL+"/readyz") },
	})
}

func loopback(c *cluster.Cluster, name string) (string, error) {
	port, err := c.Port(name)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 512))
		return fmt.Errorf("%s: %s: %s", url, response.Status, text)
	}
	return nil
}
