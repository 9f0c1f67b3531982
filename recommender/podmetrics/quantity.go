package podmetrics

import (
	"bytes"
	"math"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// amount reads a resource.Quantity: millicores of CPU, or bytes of memory, rounded up as Quantity's
// MilliValue and Value do. What metrics-server sends costs no allocation.
func amount(text []byte, r usage.Resource) (usage.Amount, Reason) {
	units, ok := parseUnits(text, r)
	if !ok {
		var fault Reason
		if units, fault = parseAny(text, r); fault != "" {
			return 0, fault
		}
	}
	if units > int64(usage.MaxAmount) {
		return 0, TooLarge
	}
	return usage.Amount(units), ""
}

// parseUnits reads digits with a common suffix; ok is false for anything else.
func parseUnits(text []byte, r usage.Resource) (units int64, ok bool) {
	i := 0
	for ; i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		digit := int64(text[i] - '0')
		if units > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		units = 10*units + digit
	}
	times, per, ok := suffix(text[i:])
	if r == usage.CPU {
		times *= 1000
	}
	if !ok || i == 0 || units > math.MaxInt64/times {
		return 0, false
	}
	units *= times
	if units%per != 0 {
		return units/per + 1, true
	}
	return units / per, true
}

// suffix returns what a quantity with this suffix is multiplied with, and divided by.
func suffix(text []byte) (times, per int64, ok bool) {
	switch string(text) {
	case "":
		return 1, 1, true
	case "n":
		return 1, 1e9, true
	case "u":
		return 1, 1e6, true
	case "m":
		return 1, 1e3, true
	case "k":
		return 1e3, 1, true
	case "Ki":
		return 1 << 10, 1, true
	case "Mi":
		return 1 << 20, 1, true
	case "Gi":
		return 1 << 30, 1, true
	}
	return 1, 1, false
}

const (
	// maxQuantity is the longest text that resource.ParseQuantity is given, in bytes. Nobody writes longer ones.
	maxQuantity = 64
	// maxExponent is the most digits of an exponent that it is given: it would write out all the zeros, be it billions.
	maxExponent = 3
)

// parseAny reads all that Quantity can say.
func parseAny(text []byte, r usage.Resource) (int64, Reason) {
	text = bytes.TrimSpace(text)
	if len(text) > maxQuantity {
		return 0, NotANumber
	}
	if e := bytes.IndexAny(text, "eE"); e >= 0 && len(bytes.TrimLeft(text[e+1:], "+-0")) > maxExponent {
		return 0, NotANumber
	}
	q, err := resource.ParseQuantity(string(text))
	switch {
	case err != nil:
		return 0, NotANumber
	case q.Sign() < 0:
		return 0, Negative
	case q.CmpInt64(int64(usage.MaxAmount)) > 0:
		return 0, TooLarge // before it overflows below
	case r == usage.CPU:
		return q.MilliValue(), ""
	}
	return q.Value(), ""
}
