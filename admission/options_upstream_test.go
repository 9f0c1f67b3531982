package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/docs/flagtable"
	"github.com/sartor-vpa/sartor/pkg/flags"
)

// otherDefaults are upstream's flags whose default differs here, and why.
var otherDefaults = map[string]string{
	"client-ca-file":  "the program makes its certificates itself unless it is given some",
	"tls-cert-file":   "the same",
	"tls-private-key": "the same",
	"v":               "0 is what an operator needs",
	"webhook-service": "it is the Service of our manifest",
}

// otherTypes are upstream's types whose flags have another here, which takes the same values.
var otherTypes = map[string]string{"v": "int"}

// TestFlagsAreDocumented holds docs/flags.md to the flags.
func TestFlagsAreDocumented(t *testing.T) {
	t.Setenv("NAMESPACE", "") // it would be a default
	flagtable.Check(t, "../docs/flags.md", "admission", command().Flags(), flagtable.Upstream(t, "admission-controller"))
}

func TestEveryFlagOfUpstreamsIsTakenWithItsTypeAndDefault(t *testing.T) {
	fs, rows := command().Flags(), flagtable.Upstream(t, "admission-controller")
	require.Greater(t, len(rows), 35, "upstream's documentation was understood")
	for _, row := range rows {
		f := fs.Lookup(row.Name)
		require.NotNil(t, f, row.Name)
		want := row.Type
		if other, ok := otherTypes[row.Name]; ok {
			want = other
		}
		require.Equal(t, want, flags.Type(f), row.Name)
		require.Equal(t, otherDefaults[row.Name] == "", row.Default == flags.Default(f), "%s: upstream's default is %q, ours %q", row.Name, row.Default, f.DefValue)
	}
}

// start parses and validates as the program does; it returns what would be logged of flags without effect.
func start(t *testing.T, args ...string) (*options, []string, error) {
	t.Helper()
	o, fs := defaultOptions(), pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SetNormalizeFunc(flags.Dashes)
	o.addFlags(fs)
	if err := fs.Parse(args); err != nil {
		return o, nil, err
	}
	return o, flags.Idle(fs), o.validate()
}

func TestAManifestWithAllOfUpstreamsDefaultsStarts(t *testing.T) {
	o, idle, err := start(t, flagtable.Defaults(t, "admission-controller")...)
	require.NoError(t, err)
	require.Empty(t, idle, "defaults need no word")
	require.Equal(t, "/etc/tls-certs/serverCert.pem", o.certificates.files.Certificate)
}

func TestAManifestWithAnyOfUpstreamsFlagsStarts(t *testing.T) {
	special := map[string][]string{
		"address": {"127.0.0.1:1"}, "min-tls-version": {"tls1_3"}, "tls-ciphers": {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
		"tls-cert-file": {"x", "--tls-private-key=y"}, "tls-private-key": {"x", "--tls-cert-file=y"}, "client-ca-file": {"x", "--tls-cert-file=y", "--tls-private-key=z"},
		"max-allowed-cpu-boost": {"4"}, "status-lease-update-interval": {"15s"},
	}
	flagtable.EachStarts(t, "admission-controller", special, func(t *testing.T, args ...string) {
		_, _, err := start(t, args...)
		require.NoError(t, err)
	})
}

func TestFlagsWithoutEffectAreToldWithTheReason(t *testing.T) {
	_, idle, err := start(t, "--reload-cert", "--webhook-timeout-seconds=5", "--logtostderr=true")
	require.NoError(t, err)
	require.Equal(t, []string{
		`--reload-cert="true": files of certificates are always read again`,
		`--webhook-timeout-seconds="5": the webhook configuration is a manifest, of which the program writes the certificate authority alone`,
	}, idle)
}

func TestFlagsSetWhatTheyAreOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "limits.yaml")
	require.NoError(t, os.WriteFile(file, []byte("cpu: {mode: none}"), 0o600))
	o, _, err := start(t, "--limit-policy-file="+file, "--floor-requests-at-declared", "--feature-gates=CPUStartupBoost=true", "--max-allowed-cpu-boost=4",
		"--register-webhook=false", "--status-lease-name=a", "--status-lease-namespace=b", "--status-lease-update-interval=5s", "--min-tls-version=tls1_3",
		"--tls-ciphers=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "--vpa-object-namespace=store")
	require.NoError(t, err)
	all := o.cluster()
	require.EqualValues(t, "none", all.Limits.CPU.Mode)
	require.True(t, all.FloorRequests)
	require.True(t, all.StartupBoost)
	require.Equal(t, "4", all.MaxBoost.String())
	require.False(t, o.certs().Publish)
	require.Equal(t, leaseOptions{"a", "b", 5 * time.Second}, o.lease)
	require.Equal(t, "tls1_3", o.tls.version.String())
	require.Equal(t, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", o.tls.ciphers.String())
	require.True(t, o.scope.Includes("store"))
	require.False(t, o.scope.Includes("other"))

	o, _, err = start(t)
	require.NoError(t, err)
	require.False(t, o.cluster().StartupBoost)
	require.True(t, o.certs().Publish)
}
