package vault

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// sizeForm is a number, whole or with a fraction, and a unit.
var sizeForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)? ?([kKMGTPE]i?)?B?$`)

// parseSize reads a number of bytes other than zero: "64KiB" is 65536, "64kB"
// is 64000.
func parseSize(text string) (int64, error) {
	if !sizeForm.MatchString(text) {
		return 0, fmt.Errorf("%q is not a size such as \"64KiB\" or \"1GiB\"", text)
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return 0, fmt.Errorf("%q is more bytes than can be counted", text)
	}
	if n == 0 {
		return 0, fmt.Errorf("%q is no size: leave the key out to have the default", text)
	}
	return int64(n), nil
}

// sizeText writes a number of bytes so that parseSize reads the same number.
func sizeText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for i < len(units)-1 && n != 0 && n%1024 == 0 {
		n /= 1024
		i++
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// parsePercent reads "0.5%" as 0.5.
func parsePercent(text string) (float64, error) {
	number, isPercent := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !isPercent || err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("%q is not a percentage such as \"10%%\"", text)
	}
	return value, nil
}

// percentText writes a percentage so that parsePercent reads it, without the
// last digits that binary fractions leave behind.
func percentText(percent float64) string {
	return strconv.FormatFloat(percent, 'g', 12, 64) + "%"
}

// parseDuration reads "168h" or "90m".
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time such as \"168h\" (seven days) or \"90m\"", text)
	}
	return d, nil
}

// tomlString quotes text as a basic string of TOML 1.0.
func tomlString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
