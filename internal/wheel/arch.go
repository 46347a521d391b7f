package wheel

import "fmt"

// Arch is a compilation target: an SM and, for architecture or family specific code, "a" or "f".
type Arch struct {
	SM     SM
	Suffix string
}

// String returns the dotted form with its suffix, such as "9.0" or "10.0f".
func (a Arch) String() string { return fmt.Sprintf("%d.%d%s", a.SM.Major, a.SM.Minor, a.Suffix) }

// MarshalText makes an Arch a JSON string.
func (a Arch) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Compare orders by major, minor and suffix.
func (a Arch) Compare(b Arch) int {
	if d := a.SM.Major - b.SM.Major; d != 0 {
		return d
	}
	if d := a.SM.Minor - b.SM.Minor; d != 0 {
		return d
	}
	return compareStrings(a.Suffix, b.Suffix)
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// archOf splits the decimal SM number of fatbins and cubins: 90 is 9.0, 121 is 12.1.
func archOf(number uint32, suffix string) Arch {
	return Arch{SM: SM{Major: int(number / 10), Minor: int(number % 10)}, Suffix: suffix}
}
