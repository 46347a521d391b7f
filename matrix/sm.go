package matrix

import (
	"cmp"
	"fmt"
)

// SM is a compute capability, such as 9.0.
type SM struct{ Major, Minor int }

// ParseSM reads "9.0" or "12.1".
func ParseSM(text string) (SM, error) {
	v, err := ParseVersion(text)
	if err != nil || v.count != 2 || v.parts[1] > 9 {
		return SM{}, fmt.Errorf("%q is not an SM such as %q", text, "9.0")
	}
	return SM{Major: v.parts[0], Minor: v.parts[1]}, nil
}

// String is the SM with a dot: "9.0".
func (s SM) String() string { return fmt.Sprintf("%d.%d", s.Major, s.Minor) }

// Digits is the SM as compilers spell it: "90", "121".
func (s SM) Digits() string { return fmt.Sprintf("%d%d", s.Major, s.Minor) }

// Compare orders SMs from old to new.
func (s SM) Compare(other SM) int {
	return cmp.Or(cmp.Compare(s.Major, other.Major), cmp.Compare(s.Minor, other.Minor))
}

// MarshalText writes the SM as String.
func (s SM) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *SM) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSM(string(text))
	return err
}
