package usage

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAmountsAreClampedAndNeverNegative(t *testing.T) {
	for name, tc := range map[string]struct {
		v        float64
		down, up Amount
	}{
		"whole":    {250, 250, 250},
		"fraction": {250.2, 250, 251},
		"negative": {-3, 0, 0},
		"NaN":      {math.NaN(), 0, 0},
		"infinite": {math.Inf(1), MaxAmount, MaxAmount},
		"too much": {1e15, MaxAmount, MaxAmount},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.down, Truncate(tc.v))
			require.Equal(t, tc.up, RoundUp(tc.v))
		})
	}
}
