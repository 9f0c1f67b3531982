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
	// authorityLife is how long a new authority is valid.
	authorityLife = 10 * 365 * 24 * time.Hour
	// leafLife is how long a leaf is valid. It is renewed after two thirds of it.
	leafLife = 30 * 24 * time.Hour
	// skew is how far the clock of an API server may lag behind ours.
	skew = time.Hour
)

// Authority is a certificate authority: it signs leaves, and its bundle is what clients trust.
// It is immutable.
type Authority struct {
	bundle, keyPEM []byte
	certificate    *x509.Certificate // the first of the bundle: the one that signs
	key            crypto.Signer
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

// ParseAuthority reads an authority from PEM. The bundle may hold several certificates: the first
// one signs, and has to belong to the key; the others are trusted as well.
func ParseAuthority(bundle, key []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(bundle, key)
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
	// Encoded anew: the bundle is published, and must not carry along whatever else was in there.
	var certificates []byte
	for _, der := range pair.Certificate {
		certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return &Authority{bundle: certificates, keyPEM: bytes.Clone(key), certificate: pair.Leaf, key: signer}, nil
}

// Leaf makes a server certificate for names, valid from now for 30 days, or until the authority's
// own end if that is sooner.
func (a *Authority) Leaf(now time.Time, names ...string) (*tls.Certificate, error) {
	if now.After(a.certificate.NotAfter) {
		return nil, fmt.Errorf("the authority expired at %s", a.certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	if len(names) == 0 {
		return nil, errors.New("a leaf needs a name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the leaf's key: %w", err)
	}
	end := now.Add(leafLife)
	if end.After(a.certificate.NotAfter) {
		end = a.certificate.NotAfter
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
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
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
func RenewAt(leaf *tls.Certificate) time.Time {
	start := leaf.Leaf.NotBefore.Add(skew)
	return start.Add(leaf.Leaf.NotAfter.Sub(start) * 2 / 3)
}

// serial returns a random positive serial number of 127 bits. (crypto/rand never fails.)
func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err)
	}
	return n.Add(n, big.NewInt(1))
}
