// Package programs builds what a cluster runs, once per version, into the cache.
//
// Everything comes from Go modules, because they need no image registry, no root and no package of
// the distribution; only Prometheus is rather taken from Debian when it can be had, as it takes ten
// minutes to build, and what runs containers on a real node always is, as runc needs C libraries.
//
//	CACHE/programs/kubernetes-v1.36.3-KEY/       etcd, kubernetes and its links, kwok, ...
//	CACHE/programs/prometheus-debian-VERSION/    prometheus
//	CACHE/programs/prometheus-v0.315.0-KEY/      prometheus, built
//	CACHE/programs/node-debian-VERSIONS/         containerd, runc and CNI plugins, of Debian's
//	CACHE/programs/upstream-v1.8.1-KEY/          all three programs of the VPA that we are compared with
package programs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

// Say reports progress in one line.
type Say func(format string, args ...any)

// Stages is the file, in the folder that Kubernetes returns, with KWOK's own rules for how simulated
// nodes and pods become ready, complete and go.
const Stages = "kwok-stages.yaml"

// links are the names by which the all-in-one program is called.
var links = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"}

// Kubernetes is the folder with etcd, the Kubernetes programs, kwok, metrics-server and Stages. They
// are built when this version of them is not in the cache, which takes minutes.
func Kubernetes(ctx context.Context, say Say) (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	m, err := readModule(ctx, source, "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	return ensure(ctx, "kubernetes-"+m.id(), say, func(ctx context.Context, dir string) error {
		return buildKubernetes(ctx, m, dir, say)
	})
}

func buildKubernetes(ctx context.Context, m module, dir string, say Say) error {
	say("building Kubernetes %s and its companions, once for this version; takes 5 to 15 minutes", m.version)
	packages := []struct{ name, path string }{
		{"etcd", "go.etcd.io/etcd/server/v3"},
		{"kubernetes", "./kubernetes"},
		{"kwok", "sigs.k8s.io/kwok/cmd/kwok"},
		{"metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"},
	}
	for i, p := range packages {
		what := fmt.Sprintf("%s (%d of %d)", p.name, i+1, len(packages))
		b := build{module: m, out: filepath.Join(dir, p.name), pkg: p.path, what: what}
		if err := b.run(ctx, say); err != nil {
			return err
		}
	}
	for _, name := range links {
		if err := os.Symlink("kubernetes", filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	return copyStages(ctx, m, filepath.Join(dir, Stages))
}

// ensure returns the folder name among the programs. When it is not there, fill gets an empty
// folder that then takes its place; processes that want the same one wait for the first.
func ensure(ctx context.Context, name string, say Say, fill func(ctx context.Context, dir string) error) (string, error) {
	root, err := cache.Sub("programs")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, name)
	if exists(dir) {
		return dir, nil
	}
	lock, err := lockBuild(ctx, root, say)
	if err != nil {
		return "", err
	}
	defer lock.Free()
	if exists(dir) { // the other one built it
		return dir, nil
	}
	// Renamed when complete: a folder of that name is always whole. What a killed build left is
	// nobody's, as we hold the lock.
	temp := filepath.Join(root, ".building")
	if err := os.RemoveAll(temp); err != nil {
		return "", fmt.Errorf("remove an unfinished build: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // gone already, when all went well
	if err := os.Mkdir(temp, 0o755); err != nil {
		return "", fmt.Errorf("make folder to build in: %w", err)
	}
	if err := fill(ctx, temp); err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", fmt.Errorf("put build into place: %w", err)
	}
	return dir, nil
}

// lockBuild waits until no other process builds.
func lockBuild(ctx context.Context, root string, say Say) (*cache.Lock, error) {
	path := filepath.Join(root, "build.lock")
	lock, ok, err := cache.TryLock(path)
	if err != nil || ok {
		return lock, err
	}
	say("another process is building the cluster's programs; waiting for it")
	return cache.WaitLock(ctx, path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
