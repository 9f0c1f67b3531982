package server

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// parsed are options with a server and these arguments.
func parsed(t *testing.T, args ...string) Options {
	o := DefaultOptions()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(fs)
	require.NoError(t, fs.Parse(append([]string{"--prometheus-address=https://prometheus"}, args...)))
	return o
}

func TestTheServerIsToldWhoAsks(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("from-file\n"), 0o600))
	const basic = "Basic dXNlcjpzZWNyZXQ=" // user:secret
	for name, tc := range map[string]struct {
		args               []string
		username, password string // of the environment
		want               string
	}{
		"nobody":                            {nil, "", "", ""},
		"user and password":                 {[]string{"--username=user", "--password=secret"}, "", "", basic},
		"of the environment":                {nil, "user", "secret", basic},
		"the password of the environment":   {[]string{"--username=user"}, "", "secret", basic},
		"flags before the environment":      {[]string{"--username=user", "--password=secret"}, "other", "other", basic},
		"a token":                           {[]string{"--prometheus-bearer-token=given"}, "", "", "Bearer given"},
		"a token before the environment":    {[]string{"--prometheus-bearer-token=given"}, "user", "secret", "Bearer given"},
		"a token from a file":               {[]string{"--prometheus-bearer-token-file=" + token}, "", "", "Bearer from-file"},
		"a token, whatever the certificate": {[]string{"--prometheus-bearer-token=given", "--prometheus-insecure"}, "", "", "Bearer given"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PROMETHEUS_USERNAME", tc.username)
			t.Setenv("PROMETHEUS_PASSWORD", tc.password)
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
			defer server.Close()
			o := parsed(t, tc.args...)
			require.NoError(t, o.Validate())
			client, err := o.Client()
			require.NoError(t, err)
			answer, err := client.Get(server.URL)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAnyCertificateIsTakenOnlyIfToldSo(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for insecure, args := range map[bool][]string{false: nil, true: {"--prometheus-insecure"}} {
		o := parsed(t, args...)
		client, err := o.Client()
		require.NoError(t, err)
		answer, err := client.Get(server.URL)
		if !insecure {
			require.ErrorContains(t, err, "certificate")
			continue
		}
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
}

func TestWaysToAuthenticateThatExcludeEachOtherAreNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		args     []string
		password string // of the environment
		want     string
	}{
		"a token and a file":    {[]string{"--prometheus-bearer-token=t0ken", "--prometheus-bearer-token-file=f"}, "", `--prometheus-bearer-token-file="f": must not be set beside --prometheus-bearer-token; remove one of them`},
		"a token and a user":    {[]string{"--prometheus-bearer-token=t0ken", "--username=u", "--password=s3cret"}, "", `--username="u": must not be set beside a bearer token; remove one of them`},
		"a config and a user":   {[]string{"--prometheus-http-config=f", "--username=u"}, "", `--username="u": must not be set beside --prometheus-http-config="f"; write it into that file`},
		"a config and password": {[]string{"--prometheus-http-config=f", "--password=s3cret"}, "", `--password=(not shown): must not be set beside --prometheus-http-config="f"; write it into that file`},
		"a config and a token":  {[]string{"--prometheus-http-config=f", "--prometheus-bearer-token=t0ken"}, "", `--prometheus-bearer-token=(not shown): must not be set beside --prometheus-http-config="f"; write it into that file`},
		"a config and a file":   {[]string{"--prometheus-http-config=f", "--prometheus-bearer-token-file=t"}, "", `--prometheus-bearer-token-file="t": must not be set beside --prometheus-http-config="f"; write it into that file`},
		"a config and insecure": {[]string{"--prometheus-http-config=f", "--prometheus-insecure"}, "", `--prometheus-insecure=true: must not be set beside --prometheus-http-config="f"; write it into that file`},
		"no password":           {[]string{"--username=u"}, "", `--username="u": needs a password; set $PROMETHEUS_PASSWORD or --password`},
		"no user":               {nil, "s3cret", `--username="": there is a password for it; set $PROMETHEUS_USERNAME or --username`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PROMETHEUS_USERNAME", "")
			t.Setenv("PROMETHEUS_PASSWORD", tc.password)
			o := parsed(t, tc.args...)
			require.EqualError(t, o.Validate(), tc.want)
			require.NotContains(t, o.Validate().Error(), "s3cret")
			require.NotContains(t, o.Validate().Error(), "t0ken")
		})
	}
}

func TestATokenFileThatIsNotThereIsNamed(t *testing.T) {
	o := parsed(t, "--prometheus-bearer-token-file=/does/not/exist")
	_, err := o.Client()
	require.EqualError(t, err, `--prometheus-bearer-token-file="/does/not/exist": no such file or directory`)
}

func TestATokenInThePlaceOfItsFileIsNotShown(t *testing.T) {
	token := "eyJhbGciOiJSUzI1NiJ9." + strings.Repeat("s3cret", 20)
	o := parsed(t, "--prometheus-bearer-token-file="+token)
	_, err := o.Client()
	require.EqualError(t, err, "--prometheus-bearer-token-file=(not shown): no such file or directory")
	o = parsed(t, "--prometheus-bearer-token-file="+token, "--prometheus-http-config=f", "--prometheus-bearer-token=t0ken")
	require.NotContains(t, o.Validate().Error(), "s3cret")
}

func TestHelpDoesNotTellThePassword(t *testing.T) {
	t.Setenv("PROMETHEUS_PASSWORD", "s3cret")
	o := DefaultOptions()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(fs)
	require.NotContains(t, fs.FlagUsages(), "s3cret")
}
