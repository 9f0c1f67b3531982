// Package images builds what pods on a real node run, as image archives that containerd imports: one static program
// each, without Docker and without a registry.
package images

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// Names of the images. They are nobody's elsewhere, so that nothing can be fetched by mistake.
var (
	Pause       = Image{"localhost/pause", "e2e"}
	Load        = Image{"localhost/load", "e2e"}
	Recommender = Image{"localhost/sartor/recommender", "e2e"}
	Admission   = Image{"localhost/sartor/admission", "e2e"}
)

// Image is a name and a tag.
type Image struct{ Name, Tag string }

// String is what a container's image says.
func (i Image) String() string { return i.Name + ":" + i.Tag }

// nobody is the user that images run as, unless a pod says otherwise: distroless' nonroot.
const nobody = "65532:65532"

// source is where an image's program is compiled.
type source struct {
	image   Image
	module  string // folder of the module, relative to the tree's top
	pkg     string
	program string // the file in the image
}

var sources = []source{
	{Pause, "e2e", "./images/pause", "pause"},
	{Load, "e2e", "./images/load", "load"},
	{Recommender, ".", "./recommender", "recommender"},
	{Admission, ".", "./admission", "admission"},
}

// Build compiles all programs of the tree whose top is root, and writes an archive for each into the folder dir. It
// returns their paths.
func Build(ctx context.Context, root, dir string) ([]string, error) {
	var archives []string
	for _, s := range sources {
		program := filepath.Join(dir, s.program)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, s.pkg)
		cmd.Dir = filepath.Join(root, s.module)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "PWD="+cmd.Dir)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := process.Run(ctx, cmd); err != nil {
			return nil, fmt.Errorf("build image %s: %w", s.image, err)
		}
		archive := program + ".tar"
		if err := Write(archive, s.image.String(), program); err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

// Write writes, as the archive at path, an image of that name which holds the program and runs it.
func Write(path, image, program string) error {
	tag, err := name.NewTag(image, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("write image %q: %w", image, err)
	}
	layer, err := layerOf(program)
	if err != nil {
		return fmt.Errorf("write image %s: %w", image, err)
	}
	made, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return fmt.Errorf("write image %s: %w", image, err)
	}
	config, err := made.ConfigFile()
	if err != nil {
		return fmt.Errorf("write image %s: %w", image, err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: []string{"/" + filepath.Base(program)}, User: nobody, WorkingDir: "/"}
	if made, err = mutate.ConfigFile(made, config); err != nil {
		return fmt.Errorf("write image %s: %w", image, err)
	}
	if err := tarball.WriteToFile(path, tag, made); err != nil {
		return fmt.Errorf("write image %s: %w", image, err)
	}
	return nil
}
