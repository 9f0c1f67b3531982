package poll_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

var errNotYet = errors.New("not yet")

func TestUntilTriesAgainUntilItHolds(t *testing.T) {
	tries := 0
	assert.NoError(t, poll.Until(t.Context(), time.Microsecond, func(context.Context) error {
		if tries++; tries < 3 {
			return errNotYet
		}
		return nil
	}))
	assert.Equal(t, 3, tries)
}

func TestAFinalErrorEndsTheWaiting(t *testing.T) {
	tries := 0
	err := poll.Until(t.Context(), time.Microsecond, func(context.Context) error {
		tries++
		return poll.Give(errNotYet)
	})
	assert.Equal(t, errNotYet, err)
	assert.Equal(t, 1, tries)
}

func TestWithinSaysTheLimitAndWhatWasLastWrong(t *testing.T) {
	err := poll.Within(t.Context(), time.Millisecond, time.Microsecond, func(context.Context) error { return errNotYet })
	assert.ErrorIs(t, err, errNotYet)
	assert.ErrorContains(t, err, "not within 1ms")
}
