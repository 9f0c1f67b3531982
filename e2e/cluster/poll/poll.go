// Package poll waits for a condition instead of for a time.
package poll

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// final marks an error that further tries cannot mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// Give marks err as final: Until returns it at once.
func Give(err error) error { return final{err} }

// Until calls try at once and then every interval, until it returns nil, or a final error, or ctx
// ends. The error then says why ctx ended and what was last wrong.
func Until(ctx context.Context, interval time.Duration, try func(context.Context) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		err := try(ctx)
		var f final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f):
			return f.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

// Within is Until with a deadline, which its error names.
func Within(ctx context.Context, limit, interval time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	return Until(ctx, interval, try)
}
