package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/prometheus/common/config"
	"github.com/spf13/pflag"

	"github.com/sartor-vpa/sartor/pkg/flags"
)

// Auth says how the server is convinced of who asks, with upstream's flags. What these cannot say, a file with
// Prometheus' HTTP client configuration can (Options.HTTPConfigFile).
type Auth struct {
	// Username and Password are for basic authentication. Empty: as $PROMETHEUS_USERNAME and $PROMETHEUS_PASSWORD
	// say, unless there is a bearer token or a file.
	Username, Password string
	// BearerToken is sent with every request; BearerTokenFile is read for it anew each time.
	BearerToken, BearerTokenFile string
	// Insecure accepts any certificate of the server's.
	Insecure bool

	// fallback is what the environment says.
	fallback login
}

type login struct{ username, password string }

// addFlags registers the flags. What the environment says is no default: help would print it.
func (a *Auth) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&a.Username, "username", a.Username, "User for basic authentication at the server. $PROMETHEUS_USERNAME sets it, too.")
	fs.StringVar(&a.Password, "password", a.Password, "Password for basic authentication at the server. $PROMETHEUS_PASSWORD sets it, too, and unseen by other processes.")
	fs.StringVar(&a.BearerToken, "prometheus-bearer-token", a.BearerToken, "Bearer token for the server.")
	fs.StringVar(&a.BearerTokenFile, "prometheus-bearer-token-file", a.BearerTokenFile, "File with the bearer token for the server. It may change while this runs.")
	fs.BoolVar(&a.Insecure, "prometheus-insecure", a.Insecure, "Accept any certificate of the server's.")
}

// hidden stands for secrets in messages.
type hidden struct{}

func (hidden) String() string { return notShown }

// longestName is how many bytes the name of a file has that is shown. Tokens are longer, and given in place of their file
// now and then.
const longestName = 64

// shownPath is a path as messages show it.
func shownPath(path string) any {
	if len(path) > longestName && !strings.Contains(path, "/") {
		return hidden{}
	}
	return path
}

// why is what is wrong with a file, without its path.
func why(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return err.Error()
}

// checks are what must hold of the flags beside the given file.
func (a *Auth) checks(file string) []flags.Check {
	set := []struct {
		is    bool
		flag  string
		value any
	}{
		{a.BearerTokenFile != "", "prometheus-bearer-token-file", shownPath(a.BearerTokenFile)},
		{a.BearerToken != "", "prometheus-bearer-token", hidden{}},
		{a.Username != "", "username", a.Username},
		{a.Password != "", "password", hidden{}},
		{a.Insecure, "prometheus-insecure", a.Insecure},
	}
	var checks []flags.Check
	for _, one := range set {
		checks = append(checks, flags.Check{OK: !one.is || file == "", Flag: one.flag, Value: one.value,
			Must: fmt.Sprintf("must not be set beside --prometheus-http-config=%q; write it into that file", file)})
	}
	basic := a.Username != "" || a.Password != ""
	checks = append(checks,
		flags.Check{OK: a.BearerTokenFile == "" || a.BearerToken == "", Flag: "prometheus-bearer-token-file", Value: shownPath(a.BearerTokenFile),
			Must: "must not be set beside --prometheus-bearer-token; remove one of them"},
		flags.Check{OK: a.BearerTokenFile == "" && a.BearerToken == "" || !basic, Flag: "username", Value: a.Username,
			Must: "must not be set beside a bearer token; remove one of them"})
	if file == "" && a.BearerTokenFile == "" && a.BearerToken == "" {
		user := a.login()
		checks = append(checks,
			flags.Check{OK: user.username == "" || user.password != "", Flag: "username", Value: user.username, Must: "needs a password; set $PROMETHEUS_PASSWORD or --password"},
			flags.Check{OK: user.password == "" || user.username != "", Flag: "username", Value: user.username, Must: "there is a password for it; set $PROMETHEUS_USERNAME or --username"})
	}
	return checks
}

// login is who authenticates with a password; empty if nobody does.
func (a *Auth) login() login {
	return login{cmp.Or(a.Username, a.fallback.username), cmp.Or(a.Password, a.fallback.password)}
}

// Client returns the HTTP client that HTTPConfigFile or Auth describes.
func (o *Options) Client() (*http.Client, error) {
	cfg, err := o.httpConfig()
	if err != nil {
		return nil, err
	}
	client, err := config.NewClientFromConfig(cfg, "prometheus")
	if err != nil {
		return nil, fmt.Errorf("--prometheus-http-config=%q: %w", o.HTTPConfigFile, err)
	}
	if cfg.FollowRedirects {
		client.CheckRedirect = discreet(cfg.HTTPHeaders != nil)
	}
	return client, nil
}

// discreet follows redirects as net/http does, ten at most, and tells another host nothing secret. Authentication is left out
// there already; but the Referer has what the address asks for, and headers of a configuration go with every request.
func discreet(headers bool) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, before []*http.Request) error {
		next.Header.Del("Referer")
		if headers && next.URL.Hostname() != before[0].URL.Hostname() {
			return fmt.Errorf("it redirects to %s, which would be sent the http_headers of --prometheus-http-config; set --prometheus-address to where it leads", next.URL.Host)
		}
		if len(before) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
}

func (o *Options) httpConfig() (config.HTTPClientConfig, error) {
	if o.HTTPConfigFile != "" {
		loaded, _, err := config.LoadHTTPConfigFile(o.HTTPConfigFile)
		if err != nil {
			return config.HTTPClientConfig{}, fmt.Errorf("--prometheus-http-config=%q: %w", o.HTTPConfigFile, unreadable(err))
		}
		return *loaded, nil
	}
	cfg := config.DefaultHTTPClientConfig
	cfg.TLSConfig.InsecureSkipVerify = o.Auth.Insecure
	switch user := o.Auth.login(); {
	case o.Auth.BearerTokenFile != "":
		// It is read again with every request. Here only so that a wrong path is told at the start.
		if _, err := os.ReadFile(o.Auth.BearerTokenFile); err != nil {
			return cfg, flags.Problems(flags.Check{Flag: "prometheus-bearer-token-file", Value: shownPath(o.Auth.BearerTokenFile), Must: why(err)})
		}
		cfg.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: o.Auth.BearerTokenFile}
	case o.Auth.BearerToken != "":
		cfg.Authorization = &config.Authorization{Type: "Bearer", Credentials: config.Secret(o.Auth.BearerToken)}
	case user.username != "":
		cfg.BasicAuth = &config.BasicAuth{Username: user.username, Password: config.Secret(user.password)}
	}
	return cfg, nil
}
