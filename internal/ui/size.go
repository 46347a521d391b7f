package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes; as a flag it reads "60GB", "1.5 GiB" or plain bytes.
type Size int64

// units in the order in which a suffix is looked for: "GiB" before "GB" before "B".
var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"B", 1},
}

// ParseSize reads a number of bytes with an optional unit, decimal (GB) or binary (GiB).
func ParseSize(text string) (Size, error) {
	number, factor := strings.TrimSpace(text), 1.0
	for _, unit := range units {
		if cut, ok := cutSuffixFold(number, unit.suffix); ok {
			number, factor = strings.TrimSpace(cut), unit.bytes
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	bytes := value * factor
	if err != nil || math.IsNaN(bytes) || bytes < 0 || bytes >= math.MaxInt64 {
		return 0, fmt.Errorf("invalid size %q: want a number with a unit such as 60GB or 20GiB", text)
	}
	return Size(bytes), nil
}

func cutSuffixFold(text, suffix string) (string, bool) {
	cut := len(text) - len(suffix)
	if cut < 0 || !strings.EqualFold(text[cut:], suffix) {
		return text, false
	}
	return text[:cut], true
}

// String is the size with three digits and a decimal unit: 982 B, 7.03 MB, 16.4 GB.
func (s Size) String() string {
	value := float64(s)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if value < 999.5 {
			return threeDigits(value, unit == "B") + " " + unit
		}
		value /= 1000
	}
	return threeDigits(value, false) + " TB"
}

func threeDigits(value float64, whole bool) string {
	switch {
	case whole || value >= 99.95:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case value >= 9.995:
		return strconv.FormatFloat(value, 'f', 1, 64)
	default:
		return strconv.FormatFloat(value, 'f', 2, 64)
	}
}

// Set makes Size a flag value.
func (s *Size) Set(text string) error {
	size, err := ParseSize(text)
	if err == nil {
		*s = size
	}
	return err
}

// Type names the flag's value in help texts.
func (s *Size) Type() string { return "SIZE" }
