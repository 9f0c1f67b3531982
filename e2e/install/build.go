package install

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// Build compiles recommender and admission, as they are in the tree, into the folder bin; race with the race
// detector, which then ends them when it finds something.
func Build(ctx context.Context, bin string, race bool) error {
	root, err := Root()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	args := []string{"build", "-o", bin + string(filepath.Separator)}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./recommender", "./admission")...)
	cmd.Dir = root
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := process.Run(ctx, cmd); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output.String())
	}
	return nil
}

// Root is the top of the tree that this was compiled from.
func Root() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if !ok || !filepath.IsAbs(file) {
		return "", fmt.Errorf("the source tree of Sartor is not known: build without -trimpath")
	}
	if _, err := os.Stat(filepath.Join(root, "deploy", "kustomization.yaml")); err != nil {
		return "", fmt.Errorf("%s is not Sartor's source tree any more, run this from where it was built: %w", root, err)
	}
	return filepath.EvalSymlinks(root)
}
