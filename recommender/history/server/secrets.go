package server

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/common/config"
)

const (
	// notShown stands for secrets in messages.
	notShown = "(not shown)"
	// leastSecret is how many bytes a secret has that is taken out of texts. Shorter ones are in words that say nothing of it.
	leastSecret = 4
)

// veil takes out of texts what the server is convinced with. Servers, and proxies before them, repeat what they were sent:
// the address, the headers. Their words end up in logs, in events and in the conditions of VPAs, which more people read than
// may know the secrets.
type veil struct {
	// values are secrets, files are where others are, which may change.
	values, files []credential
	// sent is the Authorization of the last request that was answered; it may be what somebody else issued.
	sent atomic.Pointer[string]
}

// credential is a secret, or the path of a file with one, and whose it is if it is sent with a name.
type credential struct{ text, user string }

// newVeil knows the secrets of o.
func newVeil(o *Options) *veil {
	v := &veil{}
	v.address(o.Address)
	cfg, err := o.httpConfig()
	if err != nil {
		return v // there is no client either
	}
	if a := cfg.Authorization; a != nil {
		v.add("", a.CredentialsFile, a.Credentials)
	}
	if b := cfg.BasicAuth; b != nil {
		v.add(b.Username, b.PasswordFile, b.Password)
	}
	if o := cfg.OAuth2; o != nil {
		v.add(o.ClientID, o.ClientSecretFile, o.ClientSecret)
		v.address(o.TokenURL)
		v.proxy(o.ProxyConfig)
	}
	if h := cfg.HTTPHeaders; h != nil {
		for _, header := range h.Headers {
			v.add("", "", header.Secrets...)
			for _, file := range header.Files {
				v.add("", file)
			}
		}
	}
	v.proxy(cfg.ProxyConfig)
	return v
}

func (v *veil) add(user, file string, secrets ...config.Secret) {
	if file != "" {
		v.files = append(v.files, credential{file, user})
	}
	for _, s := range secrets {
		v.values = append(v.values, credential{string(s), user})
	}
}

func (v *veil) proxy(p config.ProxyConfig) {
	if p.ProxyURL.URL != nil {
		v.address(p.ProxyURL.String())
	}
	for _, secrets := range p.ProxyConnectHeader {
		v.add("", "", secrets...)
	}
}

// address adds what may be secret in a URL: its password, and what it asks for.
func (v *veil) address(text string) {
	u, err := url.Parse(text)
	if err != nil {
		return
	}
	if password, ok := u.User.Password(); ok {
		v.values = append(v.values, credential{password, u.User.Username()})
	}
	for _, all := range u.Query() {
		for _, one := range all {
			v.values = append(v.values, credential{text: one})
		}
	}
}

// saw takes down how a request convinced the server.
func (v *veil) saw(r *http.Request) {
	if r != nil {
		if authorization := r.Header.Get("Authorization"); authorization != "" {
			v.sent.Store(&authorization)
		}
	}
}

// known are all secrets now.
func (v *veil) known() []credential {
	all := slices.Clone(v.values)
	for _, file := range v.files {
		// Who cannot read it has sent nothing of it.
		text, _ := os.ReadFile(file.text)
		all = append(all, credential{strings.TrimSpace(string(text)), file.user})
	}
	if sent := v.sent.Load(); sent != nil {
		_, text, _ := strings.Cut(*sent, " ")
		all = append(all, credential{text: text})
		if pair, err := base64.StdEncoding.DecodeString(text); err == nil {
			_, password, _ := strings.Cut(string(pair), ":")
			all = append(all, credential{text: password})
		}
	}
	return all
}

// forms are all in which secrets may be repeated, the longest first: as they are, in a URL, in JSON, between quotes (ours
// around a server's, too), in a header; and all of these after what else is done to texts.
func (v *veil) forms() []string {
	var forms []string
	for _, c := range v.known() {
		inJSON, _ := json.Marshal(c.text)
		of := []string{c.text, url.QueryEscape(c.text), url.PathEscape(c.text), string(inJSON[1 : len(inJSON)-1]), quoted(c.text), quoted(quoted(c.text))}
		if c.user != "" {
			// OAuth2 escapes both before (RFC 6749, 2.3.1).
			of = append(of, basic(c.user, c.text), basic(url.QueryEscape(c.user), url.QueryEscape(c.text)))
		}
		for _, form := range of {
			forms = append(forms, form, steady(form))
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.DeleteFunc(slices.Compact(forms), func(form string) bool { return len(form) < leastSecret })
}

// quoted is what text is between quotes.
func quoted(text string) string {
	q := strconv.Quote(text)
	return q[1 : len(q)-1]
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// over is text without secrets, also without those that it was cut off in.
func (v *veil) over(text string) string {
	forms := v.forms()
	for _, secret := range forms {
		text = strings.ReplaceAll(text, secret, notShown)
	}
	if len(forms) == 0 || !strings.Contains(text, "…") {
		return text
	}
	// The longest piece of any form first: a shorter one may be the end of it.
	for n := len(forms[0]) - 1; n >= leastSecret; n-- {
		for _, secret := range forms {
			if n < len(secret) {
				text = strings.ReplaceAll(text, secret[:n]+"…", notShown+"…")
			}
		}
	}
	return text
}

// cover does the same to the text of an error, which stays what it is.
func (v *veil) cover(err *error) {
	if *err == nil {
		return
	}
	if text := v.over((*err).Error()); text != (*err).Error() {
		*err = &veiledError{text, *err}
	}
}

type veiledError struct {
	text string
	err  error
}

func (e *veiledError) Error() string { return e.text }
func (e *veiledError) Unwrap() error { return e.err }

// valuesInYAML are what YAML's parser shows of a file: what it cannot take, and names that have a value in them for want of a
// space.
var valuesInYAML = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile("`[^`]*`"), notShown},
	{regexp.MustCompile(`'[^']{2,}'`), notShown},
	{regexp.MustCompile(`"[^"]{2,}"`), notShown},
	{regexp.MustCompile(`field ([^\s:]*):.* not found`), "field ${1}:" + notShown + " not found"},
}

// unreadable is why a file with secrets cannot be read, without them.
func unreadable(err error) error {
	var ofURL *url.Error
	if errors.As(err, &ofURL) {
		return errors.New("a URL in it cannot be read; it is not shown, for it may hold a password")
	}
	text := err.Error()
	if !strings.HasPrefix(text, "yaml: ") {
		return err
	}
	for _, v := range valuesInYAML {
		text = v.what.ReplaceAllString(text, v.with)
	}
	return errors.New(text)
}
