package podmetrics

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

func TestAmountsAreThoseOfQuantity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := fmt.Sprint(rapid.Uint64().Draw(t, "digits") >> rapid.IntRange(1, 60).Draw(t, "shift"))
		fraction := rapid.SampledFrom([]string{"", "", "", ".5", ".000000000001", "."}).Draw(t, "fraction")
		suffix := rapid.SampledFrom([]string{"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-3", "e0009"}).Draw(t, "suffix")
		text := digits + fraction + suffix
		want, err := resource.ParseQuantity(text)
		require.NoError(t, err)
		for _, r := range usage.Resources {
			got, fault := amount([]byte(text), r)
			if want.CmpInt64(int64(usage.MaxAmount)) > 0 {
				require.Equal(t, TooLarge, fault, text)
				continue
			}
			units := want.Value()
			if r == usage.CPU {
				units = want.MilliValue()
			}
			if units > int64(usage.MaxAmount) {
				require.Equal(t, TooLarge, fault, text)
				continue
			}
			require.Empty(t, fault, text)
			require.Equal(t, usage.Amount(units), got, text)
		}
	})
}

func TestWhatMetricsServerSendsNeedsNoQuantity(t *testing.T) {
	for _, text := range []string{"0", "312456789n", "15u", "250m", "2", "617204Ki", "12Mi", "1Gi", "3k"} {
		for _, r := range usage.Resources {
			_, ok := parseUnits([]byte(text), r)
			require.True(t, ok, text)
		}
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = amount([]byte("312456789n"), usage.CPU) }))
}
