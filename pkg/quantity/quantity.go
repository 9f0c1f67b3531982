// Package quantity reads Kubernetes' quantities ("250m", "1Gi") as resource.ParseQuantity does, without its
// cost where they are written as they nearly always are, and without its patience where somebody means harm.
package quantity

import (
	"bytes"
	"errors"
	"math"

	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// maxLength is the longest text that is read, in bytes. Nobody writes longer ones.
	maxLength = 64
	// maxExponent is the most digits of an exponent: resource.ParseQuantity would write out all the zeros, be it billions.
	maxExponent = 3
)

// ErrTooLong is the error for a text over 64 bytes, or with an exponent of over three digits.
var ErrTooLong = errors.New("written out it is longer than any quantity needs to be")

// Parse returns what resource.ParseQuantity returns for text, and its errors; or ErrTooLong. What is plain digits with
// a suffix in use costs no allocation.
func Parse(text []byte) (resource.Quantity, error) {
	if digits, suffix, ok := split(text); ok {
		if suffix.binary && digits <= math.MaxInt64/suffix.times {
			return *resource.NewQuantity(digits*suffix.times, resource.BinarySI), nil
		}
		if !suffix.binary {
			return *resource.NewScaledQuantity(digits, suffix.scale), nil
		}
	}
	if len(text) > maxLength {
		return resource.Quantity{}, ErrTooLong
	}
	if e := bytes.IndexAny(text, "eE"); e >= 0 && len(bytes.TrimLeft(text[e+1:], "+-0")) > maxExponent {
		return resource.Quantity{}, ErrTooLong
	}
	return resource.ParseQuantity(string(text))
}

// Value returns text as whole units, rounded up, as Quantity.Value does. It never allocates: ok is false for all that is
// not plain digits with a suffix in use, or is beyond int64.
func Value(text []byte) (value int64, ok bool) { return units(text, 1) }

// Milli is Value in thousandths, as Quantity.MilliValue.
func Milli(text []byte) (value int64, ok bool) { return units(text, 1000) }

func units(text []byte, per int64) (int64, bool) {
	digits, suffix, ok := split(text)
	if !ok || digits > math.MaxInt64/(suffix.times*per) {
		return 0, false
	}
	value := digits * suffix.times * per
	if value%suffix.parts != 0 {
		return value/suffix.parts + 1, true
	}
	return value / suffix.parts, true
}

// split reads digits, which fit into int64, and the suffix behind them; ok is false for anything else.
func split(text []byte) (digits int64, s suffix, ok bool) {
	i := 0
	for ; i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		digit := int64(text[i] - '0')
		if digits > (math.MaxInt64-digit)/10 {
			return 0, suffix{}, false
		}
		digits = 10*digits + digit
	}
	if i == 0 || i > 1 && text[0] == '0' { // zeros in front: a Quantity remembers them
		return 0, suffix{}, false
	}
	s, ok = suffixOf(text[i:])
	return digits, s, ok
}

// suffix is what digits are multiplied with, and divided by; scale is the same for the decimal ones, as a power of ten.
type suffix struct {
	times, parts int64
	scale        resource.Scale
	binary       bool
}

func suffixOf(text []byte) (suffix, bool) {
	switch string(text) {
	case "":
		return suffix{times: 1, parts: 1}, true
	case "n":
		return suffix{times: 1, parts: 1e9, scale: resource.Nano}, true
	case "u":
		return suffix{times: 1, parts: 1e6, scale: resource.Micro}, true
	case "m":
		return suffix{times: 1, parts: 1e3, scale: resource.Milli}, true
	case "k":
		return suffix{times: 1e3, parts: 1, scale: resource.Kilo}, true
	case "M":
		return suffix{times: 1e6, parts: 1, scale: resource.Mega}, true
	case "G":
		return suffix{times: 1e9, parts: 1, scale: resource.Giga}, true
	case "Ki":
		return suffix{times: 1 << 10, parts: 1, binary: true}, true
	case "Mi":
		return suffix{times: 1 << 20, parts: 1, binary: true}, true
	case "Gi":
		return suffix{times: 1 << 30, parts: 1, binary: true}, true
	}
	return suffix{}, false
}
