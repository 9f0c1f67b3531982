package podmetrics

import (
	"bytes"

	"github.com/sartor-vpa/sartor/pkg/quantity"
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
	if r == usage.CPU {
		return quantity.Milli(text)
	}
	return quantity.Value(text)
}

// parseAny reads all that Quantity can say.
func parseAny(text []byte, r usage.Resource) (int64, Reason) {
	q, err := quantity.Parse(bytes.TrimSpace(text))
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
