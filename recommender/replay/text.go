package replay

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Here is how names and measures are written for people.

// padded makes text so many characters wide, by leaving out its middle if it has to.
func padded(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n <= width {
		return text + strings.Repeat(" ", width-n)
	}
	runes := []rune(text)
	half := (width - 1) / 2
	return string(runes[:width-1-half]) + "…" + string(runes[n-half:])
}

// printable is text that cannot move a terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// amountText is cores, or bytes in MiB; - for none.
func amountText(v float64, r usage.Resource) string {
	if v == 0 {
		return "-"
	}
	return signedText(&v, r)
}

func signedText(v *float64, r usage.Resource) string {
	switch {
	case v == nil:
		return "-"
	case r == usage.CPU:
		return plain("%.3f", *v)
	}
	return plain("%.0f", *v/(1<<20))
}

func hoursText(v float64) string { return plain("%.1f", v) }

func shareText(v *float64) string {
	if v == nil {
		return "-"
	}
	if *v > 0 && *v < 0.0001 {
		return "<0.01%"
	}
	return fmt.Sprintf("%.2f%%", 100**v)
}

// plain is a number without a sign where it is 0 as it is written.
func plain(format string, v float64) string {
	text := fmt.Sprintf(format, v)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// clock is an instant to the minute.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// short is a duration without zeros at its end.
func short(duration string) string {
	for _, zeros := range []string{"h0m0s", "m0s"} {
		if whole, ok := strings.CutSuffix(duration, zeros); ok {
			return whole + zeros[:1]
		}
	}
	return duration
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
