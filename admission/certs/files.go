package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// filesOverlap is how long what was published before is left beside what a file says: the kubelet brings a new
// file to one replica minutes after another.
const filesOverlap = time.Hour

// Paths are the PEM files of a leaf that somebody else makes, such as cert-manager. They are read again and again.
type Paths struct {
	// Certificate may have further certificates after the leaf's; Key is the leaf's.
	Certificate, Key string
	// Authority is published in the webhook configuration; empty: nothing is.
	Authority string
}

// Files serves a leaf from files. Run is its only writer; Certificate and Ready may be called at any time.
type Files struct {
	served
	publication publication
	options     Options
	paths       Paths
	log         logr.Logger

	// Run's own.
	trouble trouble
	since   map[string]time.Time // since when each published certificate is not in the file, by its bytes
}

// NewFiles returns a Files that reads the webhook configuration, and writes to it if o says so, through client. Of o the
// Secret is not used. Its metrics are registered.
func NewFiles(c client.Client, paths Paths, o Options, log logr.Logger, registerer prometheus.Registerer) *Files {
	o.Publish = o.Publish && paths.Authority != ""
	f := &Files{publication: o.publication(c, log), options: o, paths: paths, log: log, trouble: trouble{log: log}}
	f.configuration = o.Configuration
	f.register(registerer, time.Now)
	return f
}

// Run serves what the files hold until ctx ends, and then returns nil.
func (f *Files) Run(ctx context.Context) error { return repeat(ctx, f.look) }

func (f *Files) look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var err error
	for range attempts {
		if err = f.once(ctx, now); !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
			break
		}
	}
	f.trouble.tell(ctx, err, f.usable(now) == nil)
	return err
}

// once takes what the files hold, unless what is in use is trusted and they are not, or not readable.
func (f *Files) once(ctx context.Context, now time.Time) error {
	leaf, err := f.read()
	found, publishedErr := f.publication.read(ctx)
	known := publishedErr == nil || errors.Is(publishedErr, errNotOurs)
	if publishedErr == nil {
		before, usable := found.all, f.usable(now) == nil
		found, publishedErr = f.publish(ctx, now, found)
		if !usable && !before.hasAll(found.all) {
			f.told.Store(now.Add(propagation).UnixNano())
		}
	}
	if current := f.leaf.Load(); known && current != nil {
		f.trusted.Store(found.all.trusts(current, f.options.serverName(), now))
	}
	if err != nil {
		return errors.Join(err, publishedErr)
	}
	if current := f.leaf.Load(); current != nil && bytes.Equal(current.Leaf.Raw, leaf.Leaf.Raw) {
		return publishedErr
	}
	trusted := found.all.trusts(leaf, f.options.serverName(), now)
	if !trusted && f.usable(now) == nil {
		return errors.Join(publishedErr, fmt.Errorf("--tls-cert-file=%q: webhook configuration %s does not trust it as %s yet; the certificate before it stays in use",
			f.paths.Certificate, f.options.Configuration, f.options.serverName()))
	}
	f.replace(leaf, trusted)
	f.log.Info("serving certificate read", "file", f.paths.Certificate, "until", leaf.Leaf.NotAfter.UTC().Format(time.RFC3339), "trusted", trusted)
	return publishedErr
}

func (f *Files) read() (*tls.Certificate, error) {
	leaf, err := tls.LoadX509KeyPair(f.paths.Certificate, f.paths.Key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert-file=%q, --tls-private-key=%q: %w", f.paths.Certificate, f.paths.Key, err)
	}
	return &leaf, nil
}

// publish adds what the file holds to what is published, and takes back what it did not hold for a while.
func (f *Files) publish(ctx context.Context, now time.Time, found entries) (entries, error) {
	if !f.publication.write {
		return found, nil
	}
	text, err := os.ReadFile(f.paths.Authority)
	if err != nil {
		return found, fmt.Errorf("--client-ca-file=%q: %w", f.paths.Authority, err)
	}
	wanted := parseBundle(text)
	if len(wanted) == 0 {
		return found, fmt.Errorf("--client-ca-file=%q: there is no certificate in it", f.paths.Authority)
	}
	since := map[string]time.Time{}
	for _, other := range found.any {
		if wanted.has(other) {
			continue
		}
		first, ok := f.since[string(other.Raw)]
		if !ok {
			first = now
		}
		since[string(other.Raw)] = first
		if now.Before(first.Add(filesOverlap)) {
			wanted = wanted.with(other)
		}
	}
	f.since = since
	return f.publication.publish(ctx, found, wanted)
}
