// Package pki makes the keys and certificates of a cluster that lives for hours on one machine.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is that of every certificate: longer than any cluster, and it is never renewed.
const lifetime = 365 * 24 * time.Hour

// Authority signs certificates.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// Subject is whom a certificate is for.
type Subject struct {
	Name   string   // common name: Kubernetes' user name
	Groups []string // organisations: Kubernetes' groups
	Hosts  []string // DNS names and addresses that it serves as
}

// NewAuthority makes a self-signed authority and writes FILE.crt and FILE.key into dir.
func NewAuthority(dir, file, name string) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := newTemplate(Subject{Name: name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse authority %s: %w", name, err)
	}
	a := &Authority{dir: dir, cert: cert, key: key, pem: encode("CERTIFICATE", der)}
	return a, a.write(file, der, key)
}

// Issue makes a certificate for s, good both to serve and to call with, and writes FILE.crt and
// FILE.key beside the authority's own.
func (a *Authority) Issue(file string, s Subject) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	template := newTemplate(s)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("sign certificate of %s: %w", s.Name, err)
	}
	return a.write(file, der, key)
}

// PEM is the authority's certificate, for those who shall trust it.
func (a *Authority) PEM() []byte { return a.pem }

// WriteKeyPair writes FILE.key and FILE.pub, a key without a certificate, into dir: with such a one
// service account tokens are signed.
func WriteKeyPair(dir, file string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode public key: %w", err)
	}
	if err := writeFile(filepath.Join(dir, file+".pub"), encode("PUBLIC KEY", public)); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, file+".key"), key)
}

// newTemplate is what all certificates have in common. The serial number is left to x509: a random one.
func newTemplate(s Subject) *x509.Certificate {
	t := &x509.Certificate{
		Subject:   pkix.Name{CommonName: s.Name, Organization: s.Groups},
		NotBefore: time.Now().Add(-time.Hour), // forgives a clock that is set back
		NotAfter:  time.Now().Add(lifetime),
	}
	for _, host := range s.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	return t
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}

func (a *Authority) write(file string, der []byte, key *ecdsa.PrivateKey) error {
	if err := writeFile(filepath.Join(a.dir, file+".crt"), encode("CERTIFICATE", der)); err != nil {
		return err
	}
	return writeKey(filepath.Join(a.dir, file+".key"), key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	// SEC 1, not PKCS 8: every Kubernetes component reads it, for service account tokens too.
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return writeFile(path, encode("EC PRIVATE KEY", der))
}

func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write key material: %w", err)
	}
	return nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
