package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/pki"
)

func TestAnIssuedCertificateServesItsHostsAndIsTrustedByItsAuthorityAlone(t *testing.T) {
	dir := t.TempDir()
	ca, err := pki.NewAuthority(dir, "ca", "one")
	require.NoError(t, err)
	other, err := pki.NewAuthority(dir, "other", "two")
	require.NoError(t, err)
	require.NoError(t, ca.Issue("leaf", pki.Subject{Name: "who", Groups: []string{"g"}, Hosts: []string{"a.svc", "127.0.0.1"}}))

	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "leaf.crt"), filepath.Join(dir, "leaf.key"))
	require.NoError(t, err)
	leaf := pair.Leaf
	assert.Equal(t, "who", leaf.Subject.CommonName)
	assert.Equal(t, []string{"g"}, leaf.Subject.Organization)
	for _, host := range []string{"a.svc", "127.0.0.1"} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			assert.NoError(t, verify(leaf, ca, host, usage))
		}
	}
	assert.Error(t, verify(leaf, ca, "b.svc", x509.ExtKeyUsageServerAuth))
	assert.Error(t, verify(leaf, other, "a.svc", x509.ExtKeyUsageServerAuth))
}

func TestAKeyPairsHalvesBelongTogetherAndAreOnlyOurs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, pki.WriteKeyPair(dir, "sa"))
	key, err := x509.ParseECPrivateKey(block(t, filepath.Join(dir, "sa.key")))
	require.NoError(t, err)
	public, err := x509.ParsePKIXPublicKey(block(t, filepath.Join(dir, "sa.pub")))
	require.NoError(t, err)
	assert.True(t, key.PublicKey.Equal(public))
	info, err := os.Stat(filepath.Join(dir, "sa.key"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func verify(leaf *x509.Certificate, ca *pki.Authority, host string, usage x509.ExtKeyUsage) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func block(t *testing.T, path string) []byte {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	b, _ := pem.Decode(text)
	require.NotNil(t, b)
	return b.Bytes
}
