package kernels

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// Kind is a row of csrc/kernels.toml: attention kernels that compute the same and differ in head dim and SM alone.
type Kind struct {
	Name     string   `toml:"name"`
	Values   string   `toml:"values"`    // what the value tensor holds: 16bit (float16 or bfloat16) or e4m3
	Sums     string   `toml:"sums"`      // sums of probability times value: float32, or float16 within a key tile
	ScaleMax float64  `toml:"scale_max"` // e4m3: the largest value that a channel is scaled to
	Mask     bool     `toml:"mask"`      // takes an attention mask, and nothing else
	Starts   bool     `toml:"starts"`    // takes sequences of different lengths behind each other
	HeadDims []int    `toml:"head_dims"` // of the kind's kernels; each kernel serves smaller head dims too
	Launcher string   `toml:"launcher"`  // the function of the C interface: attention, wgmma or fp4
	Packages []string `toml:"packages"`  // packages whose wheels hold the kind
}

// The values that some keys of a kind take.
var (
	kindNames     = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	kindValues    = []string{"16bit", "e4m3", fp4Values}
	kindSums      = []string{"float32", "float16"}
	kindLaunchers = []string{"attention", "wgmma", "fp4"}
)

const (
	largestHeadDim = 256
	largestE4M3    = 448
	fp4Values      = "e2m1"
)

// Operation is what the kind computes: the name of its container in a fatbin, as attention_fp8.
func (k Kind) Operation() string { return "attention_" + k.Name }

// Kernel is the name of the kind's kernel for a head dim, as attention_fp8_hd128.
func (k Kind) Kernel(headDim int) string { return fmt.Sprintf("%s_hd%d", k.Operation(), headDim) }

// Kernels are the names of all the kind's kernels.
func (k Kind) Kernels() []string {
	var names []string
	for _, headDim := range k.HeadDims {
		names = append(names, k.Kernel(headDim))
	}
	return names
}

// kind finds a kind by name.
func (k *Set) kind(name string) (Kind, bool) {
	at := slices.IndexFunc(k.Kinds, func(kind Kind) bool { return kind.Name == name })
	if at < 0 {
		return Kind{}, false
	}
	return k.Kinds[at], true
}

// checkKinds checks every row by itself, and that each name is there once.
func (k *Set) checkKinds() error {
	seen := map[string]bool{}
	for at, kind := range k.Kinds {
		if key, message := kind.mistake(); key != "" {
			return k.errorInKind(at, key, "kind %q: %s", kind.Name, message)
		}
		if seen[kind.Name] {
			return k.errorInKind(at, "name", "kind %q has two entries", kind.Name)
		}
		if unknown := k.unknownPackage(kind.Packages); unknown != "" {
			return k.errorInKind(at, "packages", "kind %q: %s", kind.Name, unknown)
		}
		seen[kind.Name] = true
	}
	return nil
}

// mistake names the first key of a row whose value is wrong, and says why.
func (k Kind) mistake() (key, message string) {
	for _, choice := range []struct {
		key, value string
		known      []string
	}{{"values", k.Values, kindValues}, {"sums", k.Sums, kindSums}, {"launcher", k.Launcher, kindLaunchers}} {
		if !slices.Contains(choice.known, choice.value) {
			return choice.key, fmt.Sprintf("%s %q: want %s", choice.key, choice.value, strings.Join(choice.known, " or "))
		}
	}
	switch {
	case !kindNames.MatchString(k.Name):
		return "name", "a name is lower-case words joined by _, such as fp8_accum_f16"
	case k.Values == "e4m3" && (k.ScaleMax <= 0 || k.ScaleMax > largestE4M3):
		return "scale_max", fmt.Sprintf("scale_max %v: want more than 0 and at most %d", k.ScaleMax, largestE4M3)
	case k.Values != "e4m3" && k.ScaleMax != 0:
		return "scale_max", "scale_max is for e4m3 values alone"
	case len(k.Packages) == 0:
		return "packages", "no package holds it"
	}
	return k.headDimMistake()
}

func (k Kind) headDimMistake() (key, message string) {
	last := 0
	for _, headDim := range k.HeadDims {
		if headDim <= last || headDim > largestHeadDim || headDim%16 != 0 {
			return "head_dims", fmt.Sprintf("head dim %d: want multiples of 16 up to %d, rising", headDim, largestHeadDim)
		}
		last = headDim
	}
	if last == 0 {
		return "head_dims", "it has no head dim"
	}
	return "", ""
}

// completeSources gives the sources of kinds their kernels and packages, and gives the other sources all packages
// where they name none.
func (k *Set) completeSources() error {
	for at := range k.Sources {
		source := &k.Sources[at]
		if source.Kind == "" {
			if err := k.completePackages(source); err != nil {
				return err
			}
			continue
		}
		kind, ok := k.kind(source.Kind)
		switch {
		case !ok:
			return k.errorAt(source.File, "%s is of kind %q, which has no [[kind]]", source.File, source.Kind)
		case len(source.Kernels) > 0:
			return k.errorAt(source.File, "%s is of a kind: its kernels follow from that", source.File)
		case len(source.Packages) > 0:
			return k.errorAt(source.File, "%s is of a kind: its packages follow from that", source.File)
		case kind.Values == fp4Values && source.Suffix != "a":
			return k.errorAt(source.File, "%s is of kind %q: only targets with the suffix \"a\" have FP4 instructions", source.File, kind.Name)
		case !strings.HasPrefix(path.Base(source.File), kind.Operation()+"_sm"):
			return k.errorAt(source.File, "%s is of kind %q: its name begins with %s_sm", source.File, kind.Name, kind.Operation())
		}
		source.Kernels, source.Packages = kind.Kernels(), kind.Packages
	}
	return nil
}

// checkKindUse reports kinds without a source.
func (k *Set) checkKindUse() error {
	for at, kind := range k.Kinds {
		if !slices.ContainsFunc(k.Sources, func(s Source) bool { return s.Kind == kind.Name }) {
			return k.errorInKind(at, "name", "no source is of kind %q", kind.Name)
		}
	}
	return nil
}

// errorInKind is an error at the value of a key of the nth [[kind]], or at its heading where the key is missing.
func (k *Set) errorInKind(nth int, key, format string, args ...any) *diag.Error {
	at, heading, inside := -1, 1, false
	for line, text := range strings.Split(string(k.content), "\n") {
		if strings.HasPrefix(text, "[") {
			inside = strings.HasPrefix(text, "[[kind]]")
			if inside {
				at++
			}
			if inside && at == nth {
				heading = line + 1
			}
			continue
		}
		if name, _, found := strings.Cut(text, "="); found && inside && at == nth && strings.TrimSpace(name) == key {
			return errorIn(line+1, len(name)+3, format, args...)
		}
	}
	return errorIn(heading, 1, format, args...)
}

// number writes a float as C and Python read it: 448.0, 2.25.
func number(x float64) string {
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
