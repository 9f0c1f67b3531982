package target

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"
)

// readTimeout bounds one read of the API server. A pod's creation waits for it, so that it is well
// below the two seconds that the API server gives the webhook.
const readTimeout = time.Second

// flights lets the callers that want the same read at the same time share one: a thousand pods of
// one new ReplicaSet cost a single request. Only reads under way are shared, nothing is kept.
type flights struct {
	group singleflight.Group
}

// do returns what read returns, or the caller's context error if that ends first. The read goes on
// for the others then, for readTimeout at most.
func (f *flights) do(ctx context.Context, key string, read func(context.Context) (any, error)) (any, error) {
	done := f.group.DoChan(key, func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return read(shared)
	})
	select {
	case result := <-done:
		return result.Val, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
