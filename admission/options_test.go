package main

import (
	"bytes"
	"strings"
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
		"no lease":         {[]string{"--status-lease-update-interval=0"}, ""},
		"slow lease":       {[]string{"--status-lease-update-interval=1h"}, "--status-lease-update-interval=1h0m0s"},
		"lease name":       {[]string{"--status-lease-name=A"}, `--status-lease-name="A"`},
		"lease namespace":  {[]string{"--status-lease-namespace=A"}, `--status-lease-namespace="A"`},
		"a key alone":      {[]string{"--tls-private-key=x"}, `--tls-private-key="x": must come with --tls-cert-file`},
		"a leaf alone":     {[]string{"--tls-cert-file=x"}, `--tls-cert-file="x": must come with --tls-private-key`},
		"an authority":     {[]string{"--client-ca-file=x"}, `--client-ca-file="x": must come with`},
		"scope":            {[]string{"--vpa-object-namespace=a", "--ignored-vpa-object-namespaces=b"}, "remove one of them"},
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

func TestAFlagThatCannotBeReadIsNamedWithItsValue(t *testing.T) {
	for _, tc := range []struct{ arg, want string }{
		{"--min-tls-version=tls1_1", `"tls1_1" for "--min-tls-version" flag: must be tls1_2 or tls1_3`},
		{"--tls-ciphers=TLS_RSA_WITH_RC4_128_SHA", `there is no secure cipher suite of TLS 1.2 called "TLS_RSA_WITH_RC4_128_SHA"`},
		{"--max-allowed-cpu-boost=-1", `"-1" for "--max-allowed-cpu-boost" flag: must be an amount`},
		{"--max-allowed-cpu-boost=much", `"much" for "--max-allowed-cpu-boost" flag: must be a quantity`},
		{"--limit-policy-file=/does/not/exist", `"/does/not/exist" for "--limit-policy-file" flag`},
		{"--feature-gates=Flying=true", `no feature is called "Flying"`},
	} {
		_, _, err := start(t, tc.arg)
		require.ErrorContains(t, err, tc.want)
	}
	_, _, err := start(t, "--port=70000", "--kube-api-qps=0", "--log-format=xml")
	require.Len(t, strings.Split(err.Error(), "\n"), 3, "all at once")
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
		if !f.Hidden {
			require.Contains(t, out.String(), "--"+f.Name)
		}
		require.NotEmpty(t, f.Usage)
	})
}
