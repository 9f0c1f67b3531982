package programs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// heartbeat is how often a build that says nothing is reported on, so that nobody thinks it hangs.
const heartbeat = 10 * time.Second

// build is one program to compile.
type build struct {
	module module
	out    string   // the program's file
	pkg    string   // the package with its main function
	tags   []string // build constraints to set
	what   string   // for people
}

// run compiles, reporting the start, each heartbeat, and the end.
func (b build) run(ctx context.Context, say Say) error {
	args := []string{"build", "-v", "-trimpath", "-ldflags", ldflags(b.module.version), "-tags", strings.Join(b.tags, ","), "-o", b.out, b.pkg}
	cmd, err := goTool(b.module.dir, args...)
	if err != nil {
		return err
	}
	var seen counter
	cmd.Stdout, cmd.Stderr = &seen, &seen
	began := time.Now()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	done := make(chan error, 1)
	go func() { done <- process.Run(ctx, cmd) }()
	say("building %s", b.what)
	for {
		select {
		case <-beat.C:
			say("building %s: %s, %.0f s", b.what, seen.String(), time.Since(began).Seconds())
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build %s: %w%s\n%s", b.what, err, hint(seen.tail()), seen.tail())
			}
			say("built %s in %.0f s", b.what, time.Since(began).Seconds())
			return nil
		}
	}
}

// ldflags are the linker's: Kubernetes' programs only know their version when it is set, and clients
// compare it.
func ldflags(version string) string {
	const pkg = "k8s.io/component-base/version."
	minor, _, _ := strings.Cut(strings.TrimPrefix(version, "v1."), ".")
	flags := []string{"-s", "-w"}
	for _, kv := range []string{
		"gitVersion=" + version, "gitMajor=1", "gitMinor=" + minor,
		"gitTreeState=clean", "gitCommit=unknown", "buildDate=1970-01-01T00:00:00Z",
	} {
		flags = append(flags, "-X", pkg+kv)
	}
	return strings.Join(flags, " ")
}

// hint is the way out of the failures that a fresh machine has.
func hint(output string) string {
	switch {
	case strings.Contains(output, "no space left on device"):
		return " (the disk is full: modules, build cache and programs need 9 GB; GOMODCACHE, GOCACHE and SARTOR_CACHE say where)"
	case strings.Contains(output, "dial tcp"), strings.Contains(output, "i/o timeout"):
		return " (the Go module proxy cannot be reached: see go env GOPROXY)"
	case strings.Contains(output, "signal: killed"):
		return " (killed, likely for want of memory: linking Kubernetes needs 3 GB)"
	}
	return ""
}

// copyStages writes KWOK's rules into one file. They ship with its module, and looking that up costs
// a second, too much for each start.
func copyStages(ctx context.Context, m module, out string) error {
	kwok, err := goCommand(ctx, m.dir, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok")
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for _, stage := range []string{
		"node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease",
		"pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete",
	} {
		text, err := os.ReadFile(filepath.Join(kwok, "kustomize", "stage", stage+".yaml"))
		if err != nil {
			return fmt.Errorf("copy KWOK's stages: %w", err)
		}
		all.WriteString("---\n")
		all.Write(text)
	}
	if err := os.WriteFile(out, all.Bytes(), 0o644); err != nil {
		return fmt.Errorf("copy KWOK's stages: %w", err)
	}
	return nil
}

// counter reads what go build -v prints: a line per module downloaded and per package compiled.
type counter struct {
	mu       sync.Mutex
	text     []byte
	modules  int
	packages int
}

func (c *counter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	modules := bytes.Count(p, []byte("go: downloading "))
	c.modules += modules
	c.packages += max(0, bytes.Count(p, []byte("\n"))-modules)
	c.text = append(c.text, p...)
	return len(p), nil
}

func (c *counter) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.packages == 0 && c.modules > 0 {
		return fmt.Sprintf("%d modules downloaded", c.modules)
	}
	return fmt.Sprintf("%d packages compiled", c.packages)
}

// tail is the end of what was printed.
func (c *counter) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text[max(0, len(c.text)-4096):])
}
