package images_test

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/images"
)

func TestAnImageHoldsOneProgramAndRunsItAsNobody(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "hello")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/true\n"), 0o600))
	archive := filepath.Join(dir, "hello.tar")
	require.NoError(t, images.Write(archive, "localhost/hello:e2e", program))

	tag, err := name.NewTag("localhost/hello:e2e")
	require.NoError(t, err)
	image, err := tarball.ImageFromPath(archive, &tag)
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, []string{"/hello"}, config.Config.Entrypoint)
	require.Equal(t, "65532:65532", config.Config.User)
	require.Equal(t, "linux", config.OS)

	layers, err := image.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	content, err := layers[0].Uncompressed()
	require.NoError(t, err)
	files := tar.NewReader(content)
	header, err := files.Next()
	require.NoError(t, err)
	require.Equal(t, "hello", header.Name)
	require.EqualValues(t, 0o755, header.Mode, "whatever it was here")
	text, err := io.ReadAll(files)
	require.NoError(t, err)
	require.Equal(t, "#!/bin/true\n", string(text))
	_, err = files.Next()
	require.ErrorIs(t, err, io.EOF)
}

func TestTheSameProgramMakesTheSameArchive(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "hello")
	require.NoError(t, os.WriteFile(program, []byte("hello"), 0o600))
	var written [2][]byte
	for i := range written {
		archive := filepath.Join(dir, "hello.tar")
		require.NoError(t, images.Write(archive, "localhost/hello:e2e", program))
		var err error
		written[i], err = os.ReadFile(archive)
		require.NoError(t, err)
	}
	require.Equal(t, written[0], written[1])
}

func TestAnImageWithoutATagIsRefused(t *testing.T) {
	err := images.Write(filepath.Join(t.TempDir(), "x.tar"), "localhost/hello", "x")
	require.ErrorContains(t, err, "localhost/hello")
}
