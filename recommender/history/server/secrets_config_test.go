package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// TestNoSecretIsInWhatIsSaidOfAConfiguration is about files that somebody got wrong: YAML's parser shows what it cannot take.
func TestNoSecretIsInWhatIsSaidOfAConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		"basic_auth: s3cret-1773057600000":                            "line 1: cannot unmarshal !!str (not shown) into",
		"basic_auth: {username: u, password:s3cret-tail}":             "line 1: field password:(not shown) not found",
		"basic_auth: {username: u, password: [s3cret]}":               "line 1: cannot unmarshal !!seq into",
		"authorization: {credentials: *s3cret}":                       "unknown anchor (not shown) referenced",
		"authorization: {credentials: {s3cret: 1}}":                   "cannot unmarshal !!map into",
		"basic_auth:\n  password: s3cret\n  username: u: v":           "mapping values are not allowed in this context",
		"http_headers: {Authorization: {secrets: [s3cret]}}":          `setting header "Authorization" is not allowed`,
		"http_headers: {X-Api-Key: {secrets: s3cret-1773057600000}}":  "cannot unmarshal !!str (not shown) into",
		"proxy_url: http://user:s3cret%zz@proxy":                      "a URL in it cannot be read",
		"proxy_url: http://user:s3cret/tail@proxy":                    "a URL in it cannot be read",
		"bearer_token: s3cret\nbasic_auth: {username: u}":             "at most one of",
		"tls_config: {cert: s3cret, key: s3cret-1773057600000}":       "failed to find any PEM data",
		"authorization: {type: 'Basic s3cret', credentials: s3cret}":  "",
		"oauth2: {client_id: u, client_secret: s3cret, token_url: x}": "",
	} {
		t.Run(want, func(t *testing.T) {
			o := DefaultOptions()
			o.Address = "http://prometheus"
			configured(t, text)(&o)
			require.NoError(t, o.Validate())
			_, err := o.Client()
			if want == "" {
				require.NoError(t, err, "if it is an error now, say which")
				return
			}
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "--prometheus-http-config=")
			leaks(t, text, strings.ReplaceAll(err.Error(), o.HTTPConfigFile, ""))
		})
	}
}

func TestAnAddressThatIsNoneIsNotShownIfItMayHoldASecret(t *testing.T) {
	for _, address := range []string{
		"user:s3cret@prometheus:9090", "prometheus:9090?token=s3cret", "http://user:s3cret%zz@prometheus", "prometheus#s3cret", "http://user:s3cret/tail@prometheus:9090",
	} {
		o := DefaultOptions()
		o.Address = address
		err := o.Validate()
		if err == nil {
			_, err = New(http.DefaultClient, o, (&logs{}).logger(), prometheus.NewRegistry())
		}
		require.Error(t, err, address)
		leaks(t, address, err.Error())
	}
	o := DefaultOptions()
	o.Address = "prometheus:9090"
	require.ErrorContains(t, o.Validate(), `--prometheus-address="prometheus:9090": must be`)
}
