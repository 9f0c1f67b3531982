package mirror

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metainternal "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PageSize is how many objects a list is read by, as client-go does.
const PageSize = 500

// InPages makes lister read its lists by pages and cut each page's objects at once, where a reflector
// would hold the list whole: it asks for what the API server's watch cache has, which comes in one
// piece. That is for API servers that cannot stream a list.
func InPages[O, T client.Object](lister *toolscache.ListWatch, cut func(O) T) *toolscache.ListWatch {
	return &toolscache.ListWatch{
		WatchFuncWithContext: lister.WatchWithContext,
		ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
			all := &metainternal.List{}
			options := metav1.ListOptions{Limit: PageSize}
			for {
				page, err := lister.ListWithContext(ctx, options)
				if err != nil {
					return nil, err
				}
				about, err := meta.ListAccessor(page)
				if err != nil {
					return nil, fmt.Errorf("a %T came where a list was to come: %w", page, err)
				}
				err = meta.EachListItem(page, func(item runtime.Object) error {
					object, ok := item.(O)
					if !ok {
						return fmt.Errorf("a %T came where a %T was to come", item, object)
					}
					all.Items = append(all.Items, cut(object))
					return nil
				})
				if err != nil {
					return nil, err
				}
				all.ResourceVersion, options.Continue = about.GetResourceVersion(), about.GetContinue()
				if options.Continue == "" {
					return all, nil
				}
			}
		},
	}
}
