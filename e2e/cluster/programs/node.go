package programs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

const nodePrefix = "node-debian-"

// What a real node needs beside the kubelet, in the folder that Node returns. Its plug-ins are in the folder CNI.
const (
	Containerd = "containerd"
	Ctr        = "ctr" // containerd's own command line
	Runc       = "runc"
	CNI        = "cni"
)

// nodePackages are Debian's, and which files of theirs are wanted as what.
var nodePackages = []struct {
	name  string
	files map[string]string // name in our folder -> path in the package
}{
	{"containerd", map[string]string{
		Containerd: "usr/bin/containerd", Ctr: "usr/bin/ctr",
		"containerd-shim-runc-v2": "usr/bin/containerd-shim-runc-v2", // found by containerd in PATH
	}},
	{"runc", map[string]string{Runc: "usr/sbin/runc"}},
	{"containernetworking-plugins", map[string]string{
		CNI + "/bridge": "usr/lib/cni/bridge", CNI + "/host-local": "usr/lib/cni/host-local", CNI + "/loopback": "usr/lib/cni/loopback",
	}},
}

// Node is the folder with what runs containers: containerd, runc and plug-ins for the network. Debian's packages are
// downloaded when none are in the cache; nothing of them is installed.
func Node(ctx context.Context, say Say) (string, error) {
	root, err := cache.Sub("programs")
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(root, nodePrefix+"*"))
	if err != nil {
		return "", fmt.Errorf("look for containerd in the cache: %w", err)
	}
	if len(found) > 0 {
		return slices.Max(found), nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, debianLimit, fmt.Errorf("the mirror did not deliver within %s", debianLimit))
	defer cancel()
	temp, err := os.MkdirTemp("", "sartor-node-")
	if err != nil {
		return "", fmt.Errorf("make folder to download into: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	say("downloading Debian's containerd and runc")
	var names []string
	for _, p := range nodePackages {
		names = append(names, p.name)
	}
	pkgs, err := download(ctx, temp, names...)
	if err != nil {
		return "", fmt.Errorf("fetch containerd and runc: %w", err)
	}
	return unpackNode(ctx, pkgs, say)
}

// unpackNode puts what is wanted of the packages into the cache, if it runs here.
func unpackNode(ctx context.Context, pkgs []string, say Say) (string, error) {
	name := nodePrefix
	for i, pkg := range pkgs {
		version, err := output(ctx, "", "dpkg-deb", "--field", pkg, "Version")
		if err != nil {
			return "", err
		}
		if i > 0 {
			name += "_"
		}
		name += strings.TrimSpace(version)
	}
	return ensure(ctx, name, say, func(ctx context.Context, dir string) error {
		for i, p := range nodePackages {
			if err := take(ctx, pkgs[i], dir, p.files); err != nil {
				return err
			}
		}
		for _, program := range []string{Containerd, Runc} {
			if err := runs(ctx, filepath.Join(dir, program)); err != nil {
				return err
			}
		}
		return nil
	})
}

// take puts files of a package into dir.
func take(ctx context.Context, pkg, dir string, files map[string]string) error {
	tree := filepath.Join(dir, "tree")
	if _, err := output(ctx, "", "dpkg-deb", "--extract", pkg, tree); err != nil {
		return err
	}
	for to, from := range files {
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(pkg), err)
		}
		if err := os.Rename(filepath.Join(tree, from), to); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(pkg), err)
		}
	}
	if err := os.RemoveAll(tree); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(pkg), err)
	}
	return nil
}
