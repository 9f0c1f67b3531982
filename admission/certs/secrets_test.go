package certs

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsSaidOfASecretOfNoUseHoldsNothingOfItsKeys: it is logged, and /readyz tells it.
func TestWhatIsSaidOfASecretOfNoUseHoldsNothingOfItsKeys(t *testing.T) {
	one, two := authority(t, epoch), authority(t, epoch)
	body := strings.Split(string(one.keyPEM), "\n")[1]
	require.Greater(t, len(body), 40)
	for name, key := range map[string][]byte{
		"cut off":              one.keyPEM[:len(one.keyPEM)/2],
		"without its armour":   []byte(body),
		"of a wrong kind":      bytes.ReplaceAll(one.keyPEM, []byte("PRIVATE"), []byte("PUBLIC")),
		"encoded once more":    []byte(base64.StdEncoding.EncodeToString(one.keyPEM)),
		"of another":           one.keyPEM,
		"not of base64":        bytes.Replace(one.keyPEM, []byte(body), []byte(body+"!"), 1),
		"a certificate, twice": append(one.certificates.pem(), one.keyPEM...),
		"changed":              bytes.Replace(one.keyPEM, []byte(body[:4]), []byte("AAAA"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{}
			state{current: two}.into(data)
			data[keyKey] = key
			_, err := parseState(data)
			require.Error(t, err)
			for n := 0; n+16 <= len(body); n += 8 {
				require.NotContains(t, err.Error(), body[n:n+16])
			}
		})
	}
}
