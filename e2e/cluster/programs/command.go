package programs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// output runs a command in dir ("": here) and returns what it wrote. An error begins with the last line
// of that, which is where commands say why, and has the rest below.
func output(ctx context.Context, dir, path string, args ...string) (string, error) {
	var all bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = &all, &all
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if err := process.Run(ctx, cmd); err != nil {
		text := strings.TrimSpace(all.String())
		last := text[strings.LastIndex(text, "\n")+1:]
		return "", fmt.Errorf("%s: %w: %s\n%s %s printed:\n%s", filepath.Base(path), err, last, path, strings.Join(args, " "), text)
	}
	return all.String(), nil
}

// firstLine is text up to its first newline.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
