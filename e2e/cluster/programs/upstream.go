package programs

import (
	"context"
	"path/filepath"
)

// Upstream's programs, files in the folder that Upstream returns.
const (
	UpstreamRecommender = "recommender"
	UpstreamUpdater     = "updater"
	UpstreamAdmission   = "admission-controller"
)

// Upstream is the folder with upstream's recommender, updater and admission controller, of the release that we
// are compatible with. They are built when this version of them is not in the cache, which takes a minute or two.
func Upstream(ctx context.Context, say Say) (string, error) {
	m, err := upstreamModule(ctx)
	if err != nil {
		return "", err
	}
	return ensure(ctx, "upstream-"+m.id(), say, func(ctx context.Context, dir string) error {
		for _, name := range []string{UpstreamRecommender, UpstreamUpdater, UpstreamAdmission} {
			b := build{
				module: m, out: filepath.Join(dir, name), pkg: upstreamPath + "/pkg/" + name,
				what: "upstream's " + name + " " + m.version,
			}
			if err := b.run(ctx, say); err != nil {
				return err
			}
		}
		return nil
	})
}

const upstreamPath = "k8s.io/autoscaler/vertical-pod-autoscaler"

func upstreamModule(ctx context.Context) (module, error) {
	source, err := sourceDir()
	if err != nil {
		return module{}, err
	}
	return readModule(ctx, filepath.Join(source, "upstream"), upstreamPath)
}
