// Package certs makes the webhook's TLS work without anybody's help: a certificate authority of its
// own, shared by all replicas through a Secret; a leaf certificate per replica that never leaves its
// memory; and the authority's certificate published where the API server looks for it.
package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// authorityLife is how long a new authority is valid. It is replaced after two thirds of it: what happens
	// every eight months is known to work, and what happens every seven years is not.
	authorityLife = 365 * 24 * time.Hour
	// leafLife is how long a leaf is valid. It is renewed after two thirds of it.
	leafLife = 30 * 24 * time.Hour
	// skew is how far two clocks may be apart, ours, other replicas' and API servers'.
	skew = time.Hour
)

// Authority is a certificate authority: it signs leaves, and clients trust its certificates.
// It is immutable.
type Authority struct {
	keyPEM       []byte
	certificates bundle // never empty: the first one signs
	key          crypto.Signer
}

// certificate is the one that signs.
func (a *Authority) certificate() *x509.Certificate { return a.certificates[0] }

// same reports whether both sign with the same certificate; nil is nobody's same.
func (a *Authority) same(other *Authority) bool {
	return a != nil && other != nil && a.certificate().Equal(other.certificate())
}

// ended reports whether nothing that a signs is valid at now, by anybody's clock.
func (a *Authority) ended(now time.Time) bool { return now.After(a.certificate().NotAfter.Add(skew)) }

// due reports whether it is time to have another authority at now.
func (a *Authority) due(now time.Time) bool {
	return !now.Before(twoThirds(a.certificate()))
}

// NewAuthority makes an authority that is valid from now on.
func NewAuthority(now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "sartor-admission-ca"},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the authority's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the authority's key: %w", err)
	}
	return ParseAuthority(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	)
}

// ParseAuthority reads an authority from PEM. There may be several certificates: the first
// one signs, and has to belong to the key; the others are trusted as well.
func ParseAuthority(certificate, key []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate and key: %w", err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the authority's key is a %T and cannot sign", pair.PrivateKey)
	}
	if !pair.Leaf.IsCA {
		return nil, fmt.Errorf("certificate %q is not an authority's", pair.Leaf.Subject.CommonName)
	}
	certificates := bundle{pair.Leaf}
	for _, der := range pair.Certificate[1:] {
		more, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("a certificate beside the authority's: %w", err)
		}
		certificates = certificates.with(more)
	}
	return &Authority{certificates: certificates, keyPEM: bytes.Clone(key), key: signer}, nil
}

// Leaf makes a server certificate for names, valid from now for 30 days, or until the authority's
// own end if that is sooner.
func (a *Authority) Leaf(now time.Time, names ...string) (*tls.Certificate, error) {
	last := a.certificate().NotAfter
	if now.After(last) {
		return nil, fmt.Errorf("the authority expired at %s", last.UTC().Format(time.RFC3339))
	}
	if len(names) == 0 {
		return nil, errors.New("a leaf needs a name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the leaf's key: %w", err)
	}
	end := now.Add(leafLife)
	if end.After(last) {
		end = last
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    now.Add(-skew),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate(), key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("signing the leaf: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the leaf back: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, nil
}

// RenewAt returns when leaf is to be replaced: after two thirds of its life, so that weeks remain
// for whatever goes wrong then.
func RenewAt(leaf *tls.Certificate) time.Time { return twoThirds(leaf.Leaf) }

// twoThirds is when two thirds of the life of a certificate that we made are over.
func twoThirds(c *x509.Certificate) time.Time {
	start := c.NotBefore.Add(skew)
	return start.Add(c.NotAfter.Sub(start) * 2 / 3)
}

// serial returns a random positive serial number of 127 bits. (crypto/rand never fails.)
func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err)
	}
	return n.Add(n, big.NewInt(1))
}
