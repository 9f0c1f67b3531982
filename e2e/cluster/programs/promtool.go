package programs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

const promtoolPrefix = "promtool-debian-"

// Promtool is the path of Prometheus' own tool: the machine's, one in the cache, or Debian's, which is then downloaded.
// It is not built where none of these can be had.
func Promtool(ctx context.Context, say Say) (string, error) {
	if path, err := exec.LookPath("promtool"); err == nil {
		return path, nil
	}
	root, err := cache.Sub("programs")
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(root, promtoolPrefix+"*", "promtool"))
	if err != nil {
		return "", fmt.Errorf("look for promtool in the cache: %w", err)
	}
	if len(found) > 0 {
		return slices.Max(found), nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, debianLimit, fmt.Errorf("the mirror did not deliver within %s", debianLimit))
	defer cancel()
	temp, err := os.MkdirTemp("", "sartor-promtool-")
	if err != nil {
		return "", fmt.Errorf("make folder to download into: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	say("downloading Debian's promtool")
	pkgs, err := download(ctx, temp, "prometheus")
	if err != nil {
		return "", err
	}
	version, err := output(ctx, "", "dpkg-deb", "--field", pkgs[0], "Version")
	if err != nil {
		return "", err
	}
	dir, err := ensure(ctx, promtoolPrefix+strings.TrimSpace(version), say, func(ctx context.Context, dir string) error {
		if err := take(ctx, pkgs[0], dir, map[string]string{"promtool": "usr/bin/promtool"}); err != nil {
			return err
		}
		return runs(ctx, filepath.Join(dir, "promtool"))
	})
	return filepath.Join(dir, "promtool"), err
}
