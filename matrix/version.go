package matrix

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is a dotted version of one to four numbers, such as 2.8.0, 12.9.1 or 3.12.
type Version struct {
	parts [4]int
	count int
}

var versionPattern = regexp.MustCompile(`^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){0,3}$`)

// ParseVersion reads a dotted version. Leading zeros, signs, suffixes and more than four numbers are errors.
func ParseVersion(text string) (Version, error) {
	if !versionPattern.MatchString(text) {
		return Version{}, fmt.Errorf("%q is not a version such as %q", text, "12.9.1")
	}
	var v Version
	for part := range strings.SplitSeq(text, ".") {
		v.parts[v.count], _ = strconv.Atoi(part) // the pattern admits at most five digits
		v.count++
	}
	return v, nil
}

// MustVersion is ParseVersion for versions written in the program itself.
func MustVersion(text string) Version {
	v, err := ParseVersion(text)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return v
}

// String is the version as it was written.
func (v Version) String() string { return v.join(".") }

// Digits is the version without dots: 2.8.0 is "280", 12.9 is "129".
func (v Version) Digits() string { return v.join("") }

func (v Version) join(separator string) string {
	var b strings.Builder
	for i, part := range v.parts[:v.count] {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(strconv.Itoa(part))
	}
	return b.String()
}

// Major is the first number; 0 of a zero version.
func (v Version) Major() int { return v.parts[0] }

// Minor is the version cut after its second number: 12.9.1 becomes 12.9.
func (v Version) Minor() Version {
	return Version{parts: [4]int{v.parts[0], v.parts[1]}, count: min(v.count, 2)}
}

// Next is the version whose second number is one higher, with two numbers: 3.12 becomes 3.13.
func (v Version) Next() Version {
	return Version{parts: [4]int{v.parts[0], v.parts[1] + 1}, count: 2}
}

// Parts is how many numbers the version has.
func (v Version) Parts() int { return v.count }

// IsZero reports whether v holds no version.
func (v Version) IsZero() bool { return v.count == 0 }

// Compare orders by number; a missing number counts as zero, and of two equal versions the shorter is first.
func (v Version) Compare(other Version) int {
	if order := slices.Compare(v.parts[:], other.parts[:]); order != 0 {
		return order
	}
	return v.count - other.count
}

// MarshalText writes the version as String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}
