package shards

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAClaimThatRanOutUnseenEndsBeforeItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		o := newOwnership(2, func() time.Time { return now }, discard)
		o.extend(1, now.Add(time.Minute))
		<-o.changed
		saving := o.whileHeld(t.Context(), 1)
		require.NoError(t, saving.Err())
		now = now.Add(time.Hour) // its timer has not fired
		require.False(t, o.owns(1))
		require.Error(t, o.whileHeld(t.Context(), 1).Err())
		o.extend(1, now.Add(time.Minute))
		<-o.changed
		require.Error(t, saving.Err())
		require.Equal(t, []int{1}, o.held())
		o.extend(0, now) // answered too late
		require.Equal(t, []int{1}, o.held())
		o.endAll("Ended")
		require.Empty(t, o.held())
	})
}
