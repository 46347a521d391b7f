package index

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

var (
	wordPattern   = regexp.MustCompile(`[a-z]+[0-9]+[a-z]*|[0-9]+[a-z]*|[a-z]+`)
	seriesPattern = regexp.MustCompile(`^[0-9]{2}$`)
	// joined are prefixes that people write without a blank: RTX4090.
	joined = strings.NewReplacer("rtx", " rtx ", "geforce", " geforce ")
)

// GPU is a graphics processor as a user names it.
type GPU struct {
	Name   string    `json:"name"`             // what the user said
	Family string    `json:"family,omitempty"` // what the definition calls it
	SM     matrix.SM `json:"sm"`
}

// FindGPU finds the SM of a GPU by the names of the definition: "NVIDIA GeForce RTX 4090" is of "RTX 40". FindGPU
// also takes an SM for a name. An unknown name is an error of class diag.Usage with the nearest known name.
func FindGPU(m *matrix.Matrix, name string) (GPU, error) {
	if arch, err := kernels.ParseArch(strings.TrimSpace(name)); err == nil {
		return GPU{Name: name, SM: arch.SM}, nil
	}
	said := words(name)
	best, length := GPU{}, 0
	var families []string
	for _, sm := range m.Capabilities() {
		for _, family := range m.GPUs(sm) {
			families = append(families, family)
			if known := words(family); len(known) > length && contains(said, known) {
				best, length = GPU{Name: name, Family: family, SM: sm}, len(known)
			}
		}
	}
	if length > 0 {
		return best, nil
	}
	return GPU{}, unknownGPU(name, families)
}

func unknownGPU(name string, families []string) error {
	message := fmt.Sprintf("unknown GPU %q", name)
	if near := diag.Suggest(name, families); near != "" {
		message += fmt.Sprintf(", did you mean %q?", near)
	} else {
		message += ": the definition knows " + strings.Join(families, ", ")
	}
	return diag.Usagef("nvidia-smi --query-gpu=compute_cap --format=csv,noheader", "%s; a compute capability such as 8.9 is taken as well", message)
}

func words(name string) []string {
	return wordPattern.FindAllString(joined.Replace(strings.ToLower(name)), -1)
}

// contains reports whether the words of a family stand in a name, in order: "jetson agx orin" has "jetson orin".
func contains(said, family []string) bool {
	for _, word := range said {
		if len(family) > 0 && isWord(word, family[0]) {
			family = family[1:]
		}
	}
	return len(family) == 0
}

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

var (
	modelPattern  = regexp.MustCompile(`^[1-9]0[a-z]*$`)
	letterPattern = regexp.MustCompile(`^[a-z]$`)
)
