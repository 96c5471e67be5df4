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

// ParseSize reads a number of bytes other than zero: "64KiB" is 65536, "64kB"
// is 64000.
func ParseSize(text string) (int64, error) {
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

// sizeText writes a number of bytes so that ParseSize reads the same number.
func sizeText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for i < len(units)-1 && n != 0 && n%1024 == 0 {
		n /= 1024
		i++
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// ParsePercent reads "0.5%" as 0.5.
func ParsePercent(text string) (float64, error) {
	number, isPercent := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !isPercent || err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("%q is not a percentage such as \"10%%\"", text)
	}
	return value, nil
}

// percentText writes a percentage so that ParsePercent reads it, without the
// last digits that binary fractions leave behind.
func percentText(percent float64) string {
	return strconv.FormatFloat(percent, 'g', 12, 64) + "%"
}

// ParseRate reads a number of bytes a second: "50MB/s" is 50,000,000.
func ParseRate(text string) (int64, error) {
	size, isRate := strings.CutSuffix(text, "/s")
	n, err := ParseSize(size)
	if !isRate || err != nil {
		return 0, fmt.Errorf("%q is not a rate such as \"50MB/s\"", text)
	}
	return n, nil
}

// ParseDuration reads "168h" and "90m", and days: "30d", "1d12h".
func ParseDuration(text string) (time.Duration, error) {
	days, rest, hasDays := strings.Cut(text, "d")
	total := time.Duration(0)
	wrong := false
	if hasDays {
		n, err := strconv.ParseUint(days, 10, 15)
		wrong = err != nil
		total = time.Duration(n) * 24 * time.Hour
	} else {
		rest = text
	}
	if rest != "" || !hasDays {
		d, err := time.ParseDuration(rest)
		wrong = wrong || err != nil || hasDays && d < 0
		total += d
	}
	if wrong {
		return 0, fmt.Errorf("%q is not a time such as \"30d\" (days), \"168h\" or \"90m\"", text)
	}
	return total, nil
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
