// Package guard stands between the API server and whoever decodes VPAs and their checkpoints. Their definitions let
// through what the types cannot hold: a quantity such as 1e-100000000 takes minutes to decode, and one such as 1e1.5, a
// time with an offset of 25 hours or a bucket of weight -1 makes the whole list that it is in an error. Whoever may edit one VPA could
// stop both programs by that. Behind a Guard such an object comes without what cannot be read of it, and says so.
//
// Kinds that Kubernetes has built in need none: the API server decodes them itself before it stores them.
package guard

import (
	"mime"
	"net/http"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// Wrap lets all clients that are made from config read through a guard.
func Wrap(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &transport{next} })
}

// transport guards the answers that come through next.
type transport struct{ next http.RoundTripper }

var (
	_ http.RoundTripper           = (*transport)(nil)
	_ utilnet.RoundTripperWrapper = (*transport)(nil)
)

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (t *transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return response, err
	}
	if k := kindAt(r.URL.Path); k != nil && guarded(response) {
		response.Body = newFilter(response.Body, k, isWatch(r))
		response.ContentLength = -1
		response.Header.Del("Content-Length")
	}
	return response, nil
}

const group = "/apis/autoscaling.k8s.io/"

// kindAt returns what kind of object a path leads to; nil if none that has to be guarded against. There may be something
// before the group: the path of a proxy.
func kindAt(path string) *kind {
	_, path, ok := strings.Cut(path, group)
	if !ok {
		return nil
	}
	for part := range strings.SplitSeq(path, "/") {
		switch part {
		case "verticalpodautoscalers":
			return &vpas
		case "verticalpodautoscalercheckpoints":
			return &checkpoints
		}
	}
	return nil
}

// guarded reports whether an answer is to be looked through. Custom resources come as JSON; what comes in another
// encoding is metadata, or an error.
func guarded(r *http.Response) bool {
	encoding, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && encoding == "application/json" && r.StatusCode < http.StatusMultipleChoices
}

func isWatch(r *http.Request) bool {
	switch r.URL.Query().Get("watch") {
	case "true", "1":
		return true
	}
	return false
}
