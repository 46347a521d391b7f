package gpu

import (
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// families lists the names of the definition.
func families(m *matrix.Matrix) []string {
	var list []string
	for _, sm := range m.Capabilities() {
		list = append(list, m.GPUs(sm)...)
	}
	return list
}

// findFamily finds the longest name of the definition that stands in what was said.
func findFamily(m *matrix.Matrix, said []string) (family string, sm matrix.SM, ok bool) {
	length := 0
	for _, one := range m.Capabilities() {
		for _, name := range m.GPUs(one) {
			if known := words(name); len(known) > length && containsFamily(said, known) {
				family, sm, length = name, one, len(known)
			}
		}
	}
	return family, sm, length > 0
}

// containsFamily reports whether the words of a family stand in a name, in order: "jetson agx orin" has "jetson orin".
func containsFamily(said, family []string) bool {
	for _, word := range said {
		if len(family) > 0 && isWord(word, family[0]) {
			family = family[1:]
		}
	}
	return len(family) == 0
}

var (
	seriesPattern = regexp.MustCompile(`^[0-9]{2}$`)
	modelPattern  = regexp.MustCompile(`^[1-9]0[a-z]*$`)
	letterPattern = regexp.MustCompile(`^[a-z]$`)
)

// isWord compares one word. A model may end in one more letter (L40S, A10G). A series of two digits stands for its
// models, with any letters after the number: 40 for 4060 to 4090. 4000 is of another line of products.
func isWord(said, family string) bool {
	if said == family {
		return true
	}
	rest, ok := strings.CutPrefix(said, family)
	if !ok {
		return false
	}
	if seriesPattern.MatchString(family) {
		return modelPattern.MatchString(rest)
	}
	return letterPattern.MatchString(rest) && strings.ContainsAny(family, "0123456789")
}
