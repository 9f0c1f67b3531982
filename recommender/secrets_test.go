package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// refused runs the program with arguments that it cannot start with, and returns all that it says.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	require.Error(t, err)
	return out.String() + err.Error()
}

func TestACommandLineThatIsWrongIsNotRepeatedWithItsSecrets(t *testing.T) {
	t.Setenv("PROMETHEUS_PASSWORD", "s3cret")
	config := filepath.Join(t.TempDir(), "http.yaml")
	require.NoError(t, os.WriteFile(config, []byte("basic_auth: s3cret"), 0o600))
	for _, args := range [][]string{
		{"-password=s3cret"},
		{"-ps3cret"},
		{"---password=s3cret"},
		{"--=s3cret"},
		{"--pasword=s3cret"},
		{"--password=s3cret", "--prometheus-bearer-token=s3cret", "--username=u", "--prometheus-address=http://p"},
		{"--password=s3cret", "--v=many"},
		{"--prometheus-address=http://u:s3cret@p:port"},
		{"--prometheus-address=p?token=s3cret"},
		{"--prometheus-address=http://p", "--prometheus-http-config=" + config, "--kubeconfig=/does/not/exist"},
		{"explain", "-password=s3cret"},
	} {
		require.NotContains(t, refused(t, args...), "s3cret", args)
	}
	require.Contains(t, refused(t, "-password=s3cret"), "unknown short flag -p: flags are written with two dashes")
	require.Contains(t, refused(t, "---password=s3cret"), "bad flag syntax: ---password")
}

func TestHelpShowsNoSecretThatWasGivenBeforeIt(t *testing.T) {
	t.Setenv("PROMETHEUS_USERNAME", "u-s3cret")
	t.Setenv("PROMETHEUS_PASSWORD", "s3cret")
	var out bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs([]string{"--password=s3cret", "--prometheus-bearer-token=s3cret", "--prometheus-address=http://u:s3cret@p", "--help"})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	require.Contains(t, out.String(), "--prometheus-bearer-token")
	require.NotContains(t, out.String(), "s3cret")
}

// TestProfilesDoNotShowTheCommandLine: it has flags with secrets, and nobody is asked who he is there.
func TestProfilesDoNotShowTheCommandLine(t *testing.T) {
	o := defaultOptions()
	o.profiling = true
	mux := http.NewServeMux()
	for path, handler := range o.handlers(http.NotFoundHandler(), http.NotFoundHandler(), http.NotFoundHandler()) {
		mux.Handle(path, handler)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]int{"": http.StatusOK, "heap": http.StatusOK, "goroutine": http.StatusOK, "cmdline": http.StatusNotFound} {
		answer, err := http.Get(server.URL + "/debug/pprof/" + path)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, want, answer.StatusCode, path)
		require.NotContains(t, string(body), os.Args[0], path)
	}
}
