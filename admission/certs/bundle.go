package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

// bundle are certificates that are trusted, each once.
type bundle []*x509.Certificate

// parseBundle reads the certificates among PEM blocks; whatever else is there is left out.
func parseBundle(text []byte) bundle {
	var b bundle
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			b = b.with(certificate)
		}
	}
	return b
}

// pem encodes b anew: it is published, and must not carry along what else was where it came from.
func (b bundle) pem() []byte {
	var text []byte
	for _, certificate := range b {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	return text
}

func (b bundle) has(certificate *x509.Certificate) bool {
	return slices.ContainsFunc(b, certificate.Equal)
}

func (b bundle) hasAll(others bundle) bool {
	return !slices.ContainsFunc(others, func(c *x509.Certificate) bool { return !b.has(c) })
}

// with returns b and those of more that it lacks, in a slice of its own.
func (b bundle) with(more ...*x509.Certificate) bundle {
	all := slices.Clone(b)
	for _, certificate := range more {
		if !all.has(certificate) {
			all = append(all, certificate)
		}
	}
	return all
}

// in returns those of b that others has, too.
func (b bundle) in(others bundle) bundle {
	return slices.DeleteFunc(slices.Clone(b), func(c *x509.Certificate) bool { return !others.has(c) })
}

// trusts reports whether a client that trusts b believes at now that who serves leaf is name. A leaf may come
// with certificates between it and what is trusted.
func (b bundle) trusts(leaf *tls.Certificate, name string, now time.Time) bool {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, certificate := range b {
		roots.AddCert(certificate)
	}
	for _, der := range leaf.Certificate[1:] {
		if certificate, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(certificate)
		}
	}
	_, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name, CurrentTime: now})
	return err == nil
}
