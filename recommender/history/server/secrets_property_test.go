package server

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestWhereverASecretIsRepeatedNothingOfItIsLeft: a server repeats any secret, in any of the forms that it may have, between
// words of its own that end where words do.
func TestWhereverASecretIsRepeatedNothingOfItIsLeft(t *testing.T) {
	const piece = 8 // bytes of a secret that are of no use
	forms := map[string]func(string) string{
		"plain": func(s string) string { return s },
		"URL":   url.QueryEscape,
		"path":  url.PathEscape,
		"Go":    strconv.Quote,
		"twice": func(s string) string { return strconv.Quote(strconv.Quote(s)) },
		"JSON": func(s string) string {
			text, err := json.Marshal(s)
			require.NoError(t, err)
			return string(text)
		},
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z]{0,20}`)
		// Without spaces, which no header's secret begins or ends with.
		secret := rapid.StringMatching(`[!-~]{12,80}`).Draw(t, "secret")
		form := rapid.SampledFrom([]string{"plain", "URL", "path", "Go", "twice", "JSON"}).Draw(t, "form")
		before := strings.Repeat(word.Draw(t, "before")+" ", rapid.IntRange(1, 20).Draw(t, "times"))
		repeated := forms[form](secret)
		o := DefaultOptions()
		o.Address, o.Auth.BearerToken = "http://prometheus", secret
		said := newVeil(&o).over(clip(steady(before + repeated + " " + word.Draw(t, "after"))))
		for _, of := range []string{secret, repeated} {
			for i := 0; i+piece <= len(of); i++ {
				if strings.Contains(said, of[i:i+piece]) {
					t.Fatalf("%q of %q is left in %q", of[i:i+piece], secret, said)
				}
			}
		}
	})
}
