package certs

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// mounted are files as a Secret brings them into a pod.
type mounted struct {
	t     *testing.T
	paths Paths
}

func mount(t *testing.T) mounted {
	dir := t.TempDir()
	return mounted{t, Paths{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), Authority: filepath.Join(dir, "ca.crt")}}
}

// put writes a leaf of a, made at now, and a's certificate.
func (m mounted) put(a *Authority, now time.Time) {
	leaf, err := a.Leaf(now, serverName)
	require.NoError(m.t, err)
	m.write(m.paths.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}))
	m.write(m.paths.Key, keyOf(m.t, leaf.PrivateKey))
	m.write(m.paths.Authority, a.certificates.pem())
}

func (m mounted) write(path string, text []byte) {
	require.NoError(m.t, os.WriteFile(path, text, 0o600))
}

func (m mounted) files(c client.Client) *Files {
	return NewFiles(c, m.paths, options, testr.New(m.t), prometheus.NewRegistry())
}

func TestAGivenCertificateIsServedAndItsAuthorityPublished(t *testing.T) {
	c, m := cluster(t, interceptor.Funcs{}, installed()...), mount(t)
	f := m.files(c)
	require.ErrorContains(t, f.look(t.Context(), epoch), "--tls-cert-file=")
	require.Error(t, f.Ready(epoch))

	one := authority(t, epoch)
	m.put(one, epoch)
	require.NoError(t, f.look(t.Context(), epoch))
	require.NoError(t, f.Ready(epoch.Add(propagation)))
	_, ours := bundles(t, c)
	require.Equal(t, one.certificates.pem(), ours)

	leaf := f.leaf.Load()
	require.NoError(t, f.look(t.Context(), epoch))
	require.Same(t, leaf, f.leaf.Load())
	m.put(one, epoch.Add(time.Hour))
	require.NoError(t, f.look(t.Context(), epoch.Add(time.Hour)))
	require.NotSame(t, leaf, f.leaf.Load(), "files are read again")
}

func TestAGivenAuthorityIsPublishedBesideTheOneBeforeForAWhile(t *testing.T) {
	c, m := cluster(t, interceptor.Funcs{}, installed()...), mount(t)
	f := m.files(c)
	one, two := authority(t, epoch), authority(t, epoch)
	m.put(one, epoch)
	require.NoError(t, f.look(t.Context(), epoch))
	m.put(two, epoch)
	require.NoError(t, f.look(t.Context(), epoch))
	require.NoError(t, f.Ready(epoch.Add(propagation)))
	_, ours := bundles(t, c)
	require.Equal(t, two.certificates.with(one.certificate()).pem(), ours)

	require.NoError(t, f.look(t.Context(), epoch.Add(filesOverlap)))
	_, ours = bundles(t, c)
	require.Equal(t, two.certificates.pem(), ours)
}

func TestSpoiledFilesLeaveTheCertificateThatWasRead(t *testing.T) {
	for name, spoil := range map[string]func(mounted){
		"gone":                  func(m mounted) { require.NoError(m.t, os.Remove(m.paths.Certificate)) },
		"garbage":               func(m mounted) { m.write(m.paths.Certificate, []byte("x")) },
		"half written":          func(m mounted) { m.write(m.paths.Key, nil) },
		"another's key":         func(m mounted) { m.write(m.paths.Key, authority(m.t, epoch).keyPEM) },
		"no authority":          func(m mounted) { m.write(m.paths.Authority, nil) },
		"the authority is gone": func(m mounted) { require.NoError(m.t, os.Remove(m.paths.Authority)) },
	} {
		t.Run(name, func(t *testing.T) {
			c, m := cluster(t, interceptor.Funcs{}, installed()...), mount(t)
			f := m.files(c)
			m.put(authority(t, epoch), epoch)
			require.NoError(t, f.look(t.Context(), epoch))
			leaf := f.leaf.Load()
			_, before := bundles(t, c)
			spoil(m)
			require.Error(t, f.look(t.Context(), epoch))
			require.NoError(t, f.Ready(epoch.Add(propagation)))
			require.Same(t, leaf, f.leaf.Load())
			_, after := bundles(t, c)
			require.Equal(t, before, after)
		})
	}
}

func TestWithoutAnAuthorityFileSomebodyElsePublishes(t *testing.T) {
	c, m := cluster(t, interceptor.Funcs{}, installed()...), mount(t)
	one, two := authority(t, epoch), authority(t, epoch)
	m.put(one, epoch)
	m.paths.Authority = ""
	f := m.files(c)
	require.NoError(t, f.look(t.Context(), epoch))
	require.ErrorContains(t, f.Ready(epoch), "does not trust")

	injector := mount(t)
	injector.put(one, epoch)
	require.NoError(t, injector.files(c).look(t.Context(), epoch))
	require.NoError(t, f.look(t.Context(), epoch))
	require.NoError(t, f.Ready(epoch.Add(propagation)))

	leaf := f.leaf.Load()
	m.paths.Authority = filepath.Join(t.TempDir(), "unused")
	m.put(two, epoch)
	require.ErrorContains(t, f.look(t.Context(), epoch), "stays in use", "a new leaf waits until it is trusted")
	require.Same(t, leaf, f.leaf.Load())
	require.NoError(t, f.Ready(epoch.Add(propagation)))
}
