package programs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

// Where Prometheus is taken from: sourceVariable set to fromModule leaves Debian alone.
const (
	sourceVariable = "SARTOR_PROMETHEUS"
	fromModule     = "module"
)

// Prometheus is the path of a Prometheus server: one in the cache, else Debian's, else one built,
// which takes ten minutes of a processor.
func Prometheus(ctx context.Context, say Say) (string, error) {
	if os.Getenv(sourceVariable) == fromModule {
		return builtPrometheus(ctx, say)
	}
	path, err := cachedDebian()
	if err != nil || path != "" {
		return path, err
	}
	m, err := prometheusModule(ctx)
	if err != nil {
		return "", err
	}
	// Once it had to be built, Debian is not asked again at every start.
	if built := m.cached(); built != "" {
		return built, nil
	}
	path, err = debianPrometheus(ctx, say)
	if err == nil || ctx.Err() != nil {
		return path, err
	}
	say("building Prometheus from its module, as Debian's package cannot be had: %s", firstLine(err.Error()))
	return builtPrometheus(ctx, say)
}

// cachedDebian is Debian's in the cache, of whatever version, or "".
func cachedDebian() (string, error) {
	root, err := cache.Sub("programs")
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(root, debianPrefix+"*", "prometheus"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return slices.Max(found), nil
}

// prometheusSource is the module that builds Prometheus.
type prometheusSource struct{ module }

func prometheusModule(ctx context.Context) (prometheusSource, error) {
	source, err := sourceDir()
	if err != nil {
		return prometheusSource{}, err
	}
	m, err := readModule(ctx, filepath.Join(source, "prometheus"), "github.com/prometheus/prometheus")
	return prometheusSource{m}, err
}

func (m prometheusSource) folder() string { return "prometheus-" + m.id() }

// cached is the program's path if it was built before, else "".
func (m prometheusSource) cached() string {
	root, err := cache.Sub("programs")
	if err != nil {
		return ""
	}
	path := filepath.Join(root, m.folder(), "prometheus")
	if !exists(path) {
		return ""
	}
	return path
}

func builtPrometheus(ctx context.Context, say Say) (string, error) {
	m, err := prometheusModule(ctx)
	if err != nil {
		return "", err
	}
	dir, err := ensure(ctx, m.folder(), say, func(ctx context.Context, dir string) error {
		// Clouds' service discovery is most of the code, and nothing here is in a cloud.
		b := build{
			module: m.module, out: filepath.Join(dir, "prometheus"), tags: []string{"remove_all_sd"},
			pkg: "github.com/prometheus/prometheus/cmd/prometheus", what: "Prometheus " + m.version,
		}
		if err := b.run(ctx, say); err != nil {
			return err
		}
		return runs(ctx, b.out)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "prometheus"), nil
}

// runs proves that the program at path runs on this machine.
func runs(ctx context.Context, path string) error {
	if _, err := output(ctx, "", path, "--version"); err != nil {
		return fmt.Errorf("try %s: %w", filepath.Base(path), err)
	}
	return nil
}
