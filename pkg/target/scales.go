package target

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// answerAge is how long an answer of discovery holds, as upstream's. What a kind can do changes
	// only when its definition does.
	answerAge = 5 * time.Minute
	// absentAge is the same for a group and version that the API server does not serve: it may be
	// about to, since discovery lags behind a new definition.
	absentAge = 10 * time.Second
)

// ResourceLister is the part of client-go's discovery client that Discovery needs.
type ResourceLister interface {
	ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error)
}

// Discovery answers Scales from the API server's discovery, which lists subresources by kind. So a
// burst of an Argo Rollout's pods needs no read at all, where upstream reads /scale for each name.
// It is safe for concurrent use.
type Discovery struct {
	lister ResourceLister
	now    func() time.Time
	reads  flights

	mu      sync.Mutex
	answers map[schema.GroupVersion]answer
}

// answer is what one group and version can do. Failed reads leave none.
type answer struct {
	scalable map[string]bool // by kind
	until    time.Time
}

var _ Scales = (*Discovery)(nil)

// NewDiscovery returns a Discovery that asks lister.
func NewDiscovery(lister ResourceLister) *Discovery {
	return &Discovery{lister: lister, now: time.Now, answers: map[schema.GroupVersion]answer{}}
}

// Scalable implements Scales. A kind that the API server does not serve is not scalable.
func (d *Discovery) Scalable(ctx context.Context, gvk schema.GroupVersionKind) (bool, error) {
	gv := gvk.GroupVersion()
	if known, ok := d.known(gv); ok {
		return known.scalable[gvk.Kind], nil
	}
	read, err := d.reads.do(ctx, gv.String(), func(ctx context.Context) (any, error) { return d.ask(ctx, gv) })
	if err != nil {
		return false, err
	}
	return read.(answer).scalable[gvk.Kind], nil
}

func (d *Discovery) known(gv schema.GroupVersion) (answer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.answers[gv]
	return a, ok && d.now().Before(a.until)
}

func (d *Discovery) ask(ctx context.Context, gv schema.GroupVersion) (answer, error) {
	list, err := d.lister.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
	age := answerAge
	if apierrors.IsNotFound(err) {
		list, err, age = &metav1.APIResourceList{}, nil, absentAge
	}
	if err != nil {
		return answer{}, err
	}
	now := d.now()
	a := answer{scalable: scalable(list), until: now.Add(age)}
	d.mu.Lock()
	defer d.mu.Unlock()
	// Owners may name anything: without this, made-up versions would pile up.
	maps.DeleteFunc(d.answers, func(_ schema.GroupVersion, old answer) bool { return !now.Before(old.until) })
	d.answers[gv] = a
	return a, nil
}

// scalable returns the namespaced kinds of list that have a /scale subresource.
func scalable(list *metav1.APIResourceList) map[string]bool {
	kindOf := map[string]string{}
	for _, r := range list.APIResources {
		if r.Namespaced && !strings.Contains(r.Name, "/") {
			kindOf[r.Name] = r.Kind
		}
	}
	kinds := map[string]bool{}
	for _, r := range list.APIResources {
		name, isScale := strings.CutSuffix(r.Name, "/scale")
		if kind, ok := kindOf[name]; isScale && ok {
			kinds[kind] = true
		}
	}
	return kinds
}
