package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

var _ = []pflag.Value{&maxBoost{}, new(tlsVersion), &cipherSuites{}}

// tlsOptions are upstream's, of how reviews are served.
type tlsOptions struct {
	version tlsVersion
	ciphers cipherSuites
}

func defaultTLS() tlsOptions { return tlsOptions{version: tls.VersionTLS12} }

func (o *tlsOptions) addFlags(fs *pflag.FlagSet) {
	fs.Var(&o.version, "min-tls-version", "Lowest version of TLS that is spoken: tls1_2 or tls1_3.")
	fs.Var(&o.ciphers, "tls-ciphers", "Cipher suites of TLS 1.2 that are spoken, by their names, separated by commas or colons. Empty: Go's choice.")
}

// tlsVersion is a flag of tls1_2 or tls1_3.
type tlsVersion uint16

func (v *tlsVersion) String() string {
	if *v == tls.VersionTLS13 {
		return "tls1_3"
	}
	return "tls1_2"
}

func (v *tlsVersion) Set(s string) error {
	switch s {
	case "", "tls1_2":
		*v = tls.VersionTLS12
	case "tls1_3":
		*v = tls.VersionTLS13
	default:
		return errors.New("must be tls1_2 or tls1_3")
	}
	return nil
}

func (*tlsVersion) Type() string { return "string" }

// cipherSuites is a flag of names of cipher suites; none stand for Go's choice.
type cipherSuites []uint16

func (c *cipherSuites) String() string {
	names := make([]string, len(*c))
	for i, id := range *c {
		names[i] = tls.CipherSuiteName(id)
	}
	return strings.Join(names, ",")
}

func (c *cipherSuites) Set(s string) error {
	known := map[string]uint16{}
	var names []string
	for _, suite := range tls.CipherSuites() {
		if suite.SupportedVersions[0] < tls.VersionTLS13 {
			known[suite.Name] = suite.ID
			names = append(names, suite.Name)
		}
	}
	*c = nil
	for name := range strings.SplitSeq(strings.ReplaceAll(s, ":", ","), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		id, ok := known[name]
		if !ok {
			return fmt.Errorf("there is no secure cipher suite of TLS 1.2 called %q: there are %s", name, strings.Join(names, ", "))
		}
		*c = append(*c, id)
	}
	return nil
}

func (*cipherSuites) Type() string { return "string" }

// maxBoost is a flag of an amount of CPU; nothing and 0 stand for no bound.
type maxBoost struct{ resource.Quantity }

func (m *maxBoost) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Quantity.String()
}

func (m *maxBoost) Set(s string) error {
	if s == "" {
		s = "0"
	}
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return fmt.Errorf("must be a quantity of CPU, like 4 or 500m: %w", err)
	}
	if !q.IsZero() && !policy.Sane(corev1.ResourceCPU, q) {
		return errors.New("must be an amount that a container can have")
	}
	m.Quantity = q
	return nil
}

func (*maxBoost) Type() string { return "quantity" }
