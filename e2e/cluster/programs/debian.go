package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	debianPrefix = "prometheus-debian-"
	debianLimit  = 3 * time.Minute // a mirror that does not answer must not cost more than building
)

// debianPrometheus downloads Debian's package and unpacks the server from it. Nothing is installed,
// so that no root is needed and the machine stays as it was.
func debianPrometheus(ctx context.Context, say Say) (string, error) {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("no %s here", tool)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, debianLimit, fmt.Errorf("the mirror did not deliver within %s", debianLimit))
	defer cancel()
	temp, err := os.MkdirTemp("", "sartor-prometheus-")
	if err != nil {
		return "", fmt.Errorf("make folder to download into: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	say("downloading Debian's Prometheus")
	pkgs, err := download(ctx, temp, "prometheus")
	if err != nil {
		return "", err
	}
	return unpack(ctx, pkgs[0], say)
}

// download fetches the packages into dir by the machine's package lists, or by fresh ones of its own when those are
// missing or name a package that is gone. It returns their files, in the order asked for.
func download(ctx context.Context, dir string, names ...string) ([]string, error) {
	first := apt(ctx, dir, append([]string{"download"}, names...)...)
	if first != nil {
		own := []string{"-o", "Dir::State=" + filepath.Join(dir, "state"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache")}
		for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
				return nil, fmt.Errorf("make folder for package lists: %w", err)
			}
		}
		if err := apt(ctx, dir, append(own, "update")...); err != nil {
			return nil, errors.Join(err, first)
		}
		if err := apt(ctx, dir, append(append(own, "download"), names...)...); err != nil {
			return nil, err
		}
	}
	var files []string
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
		if err != nil {
			return nil, fmt.Errorf("find the package: %w", err)
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("apt-get download left %d packages of %s, not one", len(found), name)
		}
		files = append(files, found[0])
	}
	return files, nil
}

// apt runs apt-get in dir, where a download then lands.
func apt(ctx context.Context, dir string, args ...string) error {
	// When root calls, apt would become a user who cannot write into a folder that is only ours.
	_, err := output(ctx, dir, "apt-get", append([]string{"-q", "-o", "APT::Sandbox::User=root"}, args...)...)
	return err
}

// unpack puts the server out of the package into the cache, if it runs here.
func unpack(ctx context.Context, pkg string, say Say) (string, error) {
	version, err := output(ctx, "", "dpkg-deb", "--field", pkg, "Version")
	if err != nil {
		return "", err
	}
	dir, err := ensure(ctx, debianPrefix+strings.TrimSpace(version), say, func(ctx context.Context, dir string) error {
		tree, server := filepath.Join(dir, "tree"), filepath.Join(dir, "prometheus")
		if _, err := output(ctx, "", "dpkg-deb", "--extract", pkg, tree); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(tree, "usr", "bin", "prometheus"), server); err != nil {
			return fmt.Errorf("take the server out of the package: %w", err)
		}
		if err := os.RemoveAll(tree); err != nil {
			return fmt.Errorf("remove the rest of the package: %w", err)
		}
		return runs(ctx, server)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "prometheus"), nil
}
