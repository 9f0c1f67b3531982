package certs

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const serverName = "sartor-admission.sartor-system.svc"

var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// verify checks leaf as an API server does that trusts bundle.
func verify(t *testing.T, leaf *x509.Certificate, bundle []byte, at time.Time) error {
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(bundle))
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: serverName, CurrentTime: at})
	return err
}

func TestALeafIsTrustedForTheServiceFromNowUntilItsEnd(t *testing.T) {
	authority, err := NewAuthority(epoch)
	require.NoError(t, err)
	leaf, err := authority.Leaf(epoch, serverName)
	require.NoError(t, err)

	require.NoError(t, verify(t, leaf.Leaf, authority.certificates.pem(), epoch))
	require.NoError(t, verify(t, leaf.Leaf, authority.certificates.pem(), epoch.Add(-skew+time.Minute)), "an API server whose clock is late")
	require.NoError(t, verify(t, leaf.Leaf, authority.certificates.pem(), epoch.Add(leafLife-time.Minute)))
	require.Error(t, verify(t, leaf.Leaf, authority.certificates.pem(), epoch.Add(leafLife+time.Minute)))

	other, err := NewAuthority(epoch)
	require.NoError(t, err)
	require.Error(t, verify(t, leaf.Leaf, other.certificates.pem(), epoch))
}

func TestALeafIsRenewedAfterTwoThirdsAndNeverOutlivesItsAuthority(t *testing.T) {
	authority, err := NewAuthority(epoch)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		now := epoch.Add(time.Duration(rapid.Int64Range(0, int64(authorityLife)-int64(time.Hour)).Draw(t, "age")))
		leaf, err := authority.Leaf(now, serverName)
		require.NoError(t, err)
		require.False(t, leaf.Leaf.NotAfter.After(authority.certificate().NotAfter))
		life := leaf.Leaf.NotAfter.Sub(now)
		require.WithinDuration(t, now.Add(life*2/3), RenewAt(leaf), 2*time.Second)
	})
	_, err = authority.Leaf(epoch.Add(authorityLife+time.Hour), serverName)
	require.ErrorContains(t, err, "expired")
	_, err = authority.Leaf(epoch)
	require.Error(t, err)
}

func TestOnlyAWholeAuthorityIsRead(t *testing.T) {
	one, err := NewAuthority(epoch)
	require.NoError(t, err)
	two, err := NewAuthority(epoch)
	require.NoError(t, err)
	leaf, err := one.Leaf(epoch, serverName)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		bundle, key []byte
		ok          bool
	}{
		"as made":                {one.certificates.pem(), one.keyPEM, true},
		"with another to trust":  {bytes.Join([][]byte{one.certificates.pem(), two.certificates.pem()}, nil), one.keyPEM, true},
		"the key in the bundle":  {bytes.Join([][]byte{one.certificates.pem(), one.keyPEM}, nil), one.keyPEM, true},
		"another's key":          {one.certificates.pem(), two.keyPEM, false},
		"the wrong one first":    {bytes.Join([][]byte{two.certificates.pem(), one.certificates.pem()}, nil), one.keyPEM, false},
		"no key":                 {one.certificates.pem(), nil, false},
		"no certificate":         {nil, one.keyPEM, false},
		"garbage":                {[]byte("x"), []byte("y"), false},
		"a leaf is no authority": {pemOf(leaf.Certificate[0]), keyOf(t, leaf.PrivateKey), false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseAuthority(tc.bundle, tc.key)
			require.Equal(t, tc.ok, err == nil, "%v", err)
			if tc.ok {
				require.NotContains(t, string(got.certificates.pem()), "PRIVATE KEY", "the bundle is published")
			}
		})
	}
}

func FuzzParseAuthorityTakesAnything(f *testing.F) {
	authority, err := NewAuthority(epoch)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(authority.certificates.pem(), authority.keyPEM)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte(""))
	f.Fuzz(func(t *testing.T, bundle, key []byte) {
		if got, err := ParseAuthority(bundle, key); err == nil {
			again, err := ParseAuthority(got.certificates.pem(), got.keyPEM)
			require.NoError(t, err)
			require.Equal(t, got.certificates.pem(), again.certificates.pem())
		}
	})
}
