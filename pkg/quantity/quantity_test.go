package quantity

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

// unread are texts that are legal, and that nobody writes.
var unread = regexp.MustCompile(`^.{65}|[eE][+-]?0*[1-9][0-9]{3}`)

// agree holds Parse, Value and Milli to Kubernetes' own.
func agree(t require.TestingT, text string) {
	got, fault := Parse([]byte(text))
	if unread.MatchString(text) {
		require.Error(t, fault, text)
		return
	}
	want, err := resource.ParseQuantity(text)
	require.Equal(t, err != nil, fault != nil, "%q: %v, %v", text, err, fault)
	if err != nil {
		return
	}
	require.Zero(t, want.Cmp(got), "%q: %s", text, got.String())
	require.Equal(t, want.Format, got.Format, text)
	require.Equal(t, want.String(), got.String(), text)
	if value, ok := Value([]byte(text)); ok {
		require.Equal(t, want.Value(), value, text)
	}
	if milli, ok := Milli([]byte(text)); ok {
		require.Equal(t, want.MilliValue(), milli, text)
	}
}

func TestItReadsWhatKubernetesReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := fmt.Sprint(rapid.Uint64().Draw(t, "digits") >> rapid.IntRange(0, 63).Draw(t, "shift"))
		sign := rapid.SampledFrom([]string{"", "", "", "-", "+"}).Draw(t, "sign")
		fraction := rapid.SampledFrom([]string{"", "", "", ".5", ".000000000001", "."}).Draw(t, "fraction")
		suffix := rapid.SampledFrom([]string{"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-3", "e0009", "K", " "}).Draw(t, "suffix")
		agree(t, sign+digits+fraction+suffix)
	})
}

func FuzzQuantities(f *testing.F) {
	for _, text := range []string{
		"", "0", "00", "01", "007Mi", "0m", "100m", "1.5", "2", "512Mi", "1Gi", "262144k", "1e3", "1E400", "12E", "9E", "9223372036854775807", "9223372036854775808",
		"8589934591Gi", "8589934592Gi", "-1n", "+5", "1n", "1u", ".5", "5.", " 1", "1 ", "1e1000000000", "1Mi5", "١", strings.Repeat("1", 65),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { agree(t, text) })
}

func TestWhatPodsSayCostsNothing(t *testing.T) {
	for _, text := range []string{"0", "100m", "2", "512Mi", "1Gi", "262144k", "64Ki", "312456789n", "15u"} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if q, err := Parse([]byte(text)); err != nil || q.Sign() < 0 {
				t.Error(text)
			}
		}), text)
		_, ok := Milli([]byte(text))
		require.True(t, ok, text)
	}
}

func TestWhatIsMeantToHurtIsNotRead(t *testing.T) {
	for _, text := range []string{"1e1000000000", "1E-99999", strings.Repeat("9", 1<<20)} {
		_, err := Parse([]byte(text))
		require.ErrorIs(t, err, ErrTooLong)
	}
}
