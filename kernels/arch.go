package kernels

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// Arch is a compilation target: an SM, and "a" for architecture-specific or "f" for family-specific code.
type Arch struct {
	SM     matrix.SM
	Suffix string
}

// archPattern is a target as wheels, drivers and compilers spell it.
var archPattern = regexp.MustCompile(`^(?:sm_?|compute_?)?([1-9][0-9]?)\.?([0-9])([af]?)$`)

// ParseArch reads a target: 8.9, 9.0a, 90a, sm_90a, compute_120f. Case does not count.
func ParseArch(text string) (Arch, error) {
	parts := archPattern.FindStringSubmatch(strings.ToLower(text))
	if parts == nil {
		return Arch{}, fmt.Errorf("%q is not an SM such as %q or %q", text, "9.0", "9.0a")
	}
	sm, err := matrix.ParseSM(parts[1] + "." + parts[2])
	return Arch{SM: sm, Suffix: parts[3]}, err
}

// String returns the dotted form with its suffix, such as "9.0" or "10.0f".
func (a Arch) String() string { return a.SM.String() + a.Suffix }

// MarshalText writes the target as String.
func (a Arch) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Arch) UnmarshalText(text []byte) (err error) {
	*a, err = ParseArch(string(text))
	return err
}

// Compare orders by SM and then by suffix.
func (a Arch) Compare(b Arch) int {
	return cmp.Or(a.SM.Compare(b.SM), cmp.Compare(a.Suffix, b.Suffix))
}
