package apiserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestFlagsThatCannotBeUsedAreAllNamed(t *testing.T) {
	o := DefaultOptions()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(fs)
	require.NoError(t, o.Validate(), "the defaults are usable")
	require.NoError(t, fs.Parse([]string{"--kube-api-qps=0", "--kube-api-burst=0"}))
	require.EqualError(t, o.Validate(), "--kube-api-qps=0: must be above 0, or negative for no bound\n--kube-api-burst=0: must be at least 1")
	o = Options{QPS: -1, Burst: 1}
	require.NoError(t, o.Validate(), "no bound, as upstream")
}

func TestAKubeconfigIsReadAndTheRatesAreSet(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, []byte(`{"apiVersion":"v1","kind":"Config","current-context":"c",
		"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}]}`), 0o600))
	o := Options{Kubeconfig: file, QPS: 7, Burst: 9}
	config, err := o.Config("sartor-test")
	require.NoError(t, err)
	require.Equal(t, "https://127.0.0.1:1", config.Host)
	require.Equal(t, "sartor-test", config.UserAgent)
	require.InDelta(t, 7, config.QPS, 0)
	require.Equal(t, 9, config.Burst)
	require.NotNil(t, config.WrapTransport, "what is read is guarded")
}

func TestWithoutAnyWayToTheAPIServerTheRemedyIsTold(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	none := DefaultOptions()
	_, err := none.Config("")
	require.ErrorContains(t, err, "give --kubeconfig=FILE")
	absent := Options{Kubeconfig: "/does/not/exist"}
	_, err = absent.Config("")
	require.ErrorContains(t, err, `--kubeconfig="/does/not/exist"`)
}
