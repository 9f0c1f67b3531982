package main

import (
	"bytes"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestABadFlagIsNamedWithItsValue(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"defaults":         {nil, ""},
		"all on loopback":  {[]string{"--bind-address=127.0.0.1", "--port=18443", "--address=127.0.0.1:18944", "--kubeconfig=x"}, ""},
		"port":             {[]string{"--port=70000"}, "--port=70000"},
		"bind address":     {[]string{"--bind-address=localhost"}, `--bind-address="localhost"`},
		"address":          {[]string{"--address=8944"}, `--address="8944"`},
		"no metrics":       {[]string{"--address=0"}, ""},
		"qps":              {[]string{"--kube-api-qps=0"}, "--kube-api-qps=0"},
		"burst":            {[]string{"--kube-api-burst=0.5"}, "--kube-api-burst=0.5"},
		"empty service":    {[]string{"--webhook-service="}, `--webhook-service=""`},
		"odd namespace":    {[]string{"--webhook-namespace=A_B"}, `--webhook-namespace="A_B"`},
		"endless shutdown": {[]string{"--shutdown-delay=1h"}, "--shutdown-delay=1h0m0s"},
		"log format":       {[]string{"--log-format=xml"}, `--log-format="xml"`},
	} {
		t.Run(name, func(t *testing.T) {
			o, fs := defaultOptions(), pflag.NewFlagSet("admission", pflag.ContinueOnError)
			o.addFlags(fs)
			require.NoError(t, fs.Parse(tc.args))
			if tc.want == "" {
				require.NoError(t, o.validate())
				return
			}
			require.ErrorContains(t, o.validate(), tc.want)
		})
	}
}

func TestTheNamespaceComesFromTheEnvironment(t *testing.T) {
	t.Setenv("NAMESPACE", "elsewhere")
	require.Equal(t, "elsewhere", defaultOptions().certs().Service.Namespace)
}

func TestAnUnreadableKubeconfigIsNamed(t *testing.T) {
	c := command()
	c.SetArgs([]string{"--kubeconfig=/does/not/exist"})
	c.SetErr(&bytes.Buffer{})
	require.ErrorContains(t, c.ExecuteContext(t.Context()), `--kubeconfig="/does/not/exist"`)
}

func TestHelpTellsEveryFlag(t *testing.T) {
	var out bytes.Buffer
	c := command()
	c.SetArgs([]string{"--help"})
	c.SetOut(&out)
	require.NoError(t, c.Execute())
	c.Flags().VisitAll(func(f *pflag.Flag) {
		require.Contains(t, out.String(), "--"+f.Name)
		require.NotEmpty(t, f.Usage)
	})
}
