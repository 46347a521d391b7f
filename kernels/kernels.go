// Package kernels says which device code a wheel holds: the kinds of attention kernels and the sources that
// csrc/kernels.toml lists, the SMs that each source is compiled for, and the rule by which a GPU loads an image.
// Package matrix says which wheels there are; package bake says how they are made.
package kernels

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/sagebuild/sagebuild/csrc"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

// Places below the source directory, with forward slashes.
const (
	File       = "csrc/kernels.toml"
	sourcesDir = "csrc/"
	deviceDir  = "csrc/device"
	hostDir    = "csrc/host"
)

// Set is what csrc/kernels.toml and the sources that it names say: which kinds of kernels there are, and which device
// source is compiled for which SM.
type Set struct {
	Packages []string `toml:"packages"` // the packages that rows may name
	Kinds    []Kind   `toml:"kind"`
	Sources  []Source `toml:"source"`
	Sames    []Same   `toml:"same"`
	Twins    []Twin   `toml:"twin"`

	// HostHeaders are the device headers that the host library includes, as paths below the source directory.
	HostHeaders []string `toml:"-"`

	// Exports are the functions of the C interface, sorted.
	Exports []string `toml:"-"`

	content []byte // text of kernels.toml, to find the place of a mistake
}

// Source is one file that NVRTC compiles for each of its SMs, but for those that load the code of another (see Same).
type Source struct {
	File     string        `toml:"file"`     // below csrc/device
	SMs      []matrix.SM   `toml:"sms"`      // SMs that run the source's kernels
	Kind     string        `toml:"kind"`     // kind of the source's attention kernels; empty for other sources
	Kernels  []string      `toml:"kernels"`  // entry points that each cubin must hold; they follow from Kind if it is set
	Packages []string      `toml:"packages"` // packages whose wheels hold it, or all; they follow from Kind if it is set
	Suffix   string        `toml:"suffix"`   // "a" or "f" for a target such as sm_90a; else empty
	PTX      [][]matrix.SM `toml:"ptx"`      // lists of SMs, old to new, whose code is assembled from the PTX for the first
	Headers  []string      `toml:"-"`        // File's direct and indirect includes, sorted, below the source directory
}

// Stem is the file's name without its ending: what the compiler makes of it begins with that.
func (s Source) Stem() string { return strings.TrimSuffix(path.Base(s.File), ".cu") }

// Path is the file below the source directory: csrc/device/quantize/quantize.cu.
func (s Source) Path() string { return path.Join(deviceDir, s.File) }

// Arch is the target that NVRTC compiles the source for, to make code for an SM: 9.0, or 9.0a.
func (s Source) Arch(sm matrix.SM) Arch { return Arch{SM: sm, Suffix: s.Suffix} }

// Operation is what the source computes: the name of the source's file up to "_sm", as attention_fp16 of
// attention_fp16_sm80.cu. The fatbin has a container for each operation, and in the container an image for each SM.
func (s Source) Operation() string {
	name, _, _ := strings.Cut(s.Stem(), "_sm")
	return name
}

// attention is the operation that every SM of a package must have, because the library falls back from the other operations to it.
const attention = "attention_fp16"

// Read reads csrc/kernels.toml below sourceDir and follows the includes of every source it names.
// Mistakes are *diag.Error of class Usage with file, line and column.
func Read(sourceDir string) (*Set, error) {
	content, err := os.ReadFile(filepath.Join(sourceDir, File))
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: sourceDir + " is no source tree of sagebuild", Err: err,
			Hint: "git clone https://github.com/sagebuild/sagebuild && cd sagebuild"}
	}
	k, err := parse(content)
	if err != nil {
		return nil, err
	}
	if err := k.followIncludes(sourceDir); err != nil {
		return nil, err
	}
	return k, nil
}

// Default reads the list of kernels that the program carries: the list of the source tree that the program was built
// from. Default follows no includes, so that Headers, HostHeaders and Exports are empty.
func Default() (*Set, error) { return parse(csrc.Kernels) }

// parse reads the list alone, without looking at the sources.
func parse(content []byte) (*Set, error) {
	k := &Set{content: content}
	decoder := toml.NewDecoder(bytes.NewReader(content)).DisallowUnknownFields()
	if err := decoder.Decode(k); err != nil {
		return nil, tomlError(err)
	}
	if len(k.Sources) == 0 {
		return nil, diag.Usagef("", "%s names no source", File)
	}
	if err := errors.Join(k.checkKinds(), k.completeSources(), k.checkSames(), k.checkTwins()); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, source := range k.Sources {
		if err := k.checkSource(source, seen); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// tomlError gives a decoding error its place in kernels.toml.
func tomlError(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		line, column := first.Position()
		return errorIn(line, column, "unknown key %q", strings.Join(first.Key(), "."))
	}
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		line, column := syntax.Position()
		return errorIn(line, column, "%s", strings.TrimPrefix(syntax.Error(), "toml: "))
	}
	return errorIn(1, 1, "%v", err)
}

func errorIn(line, column int, format string, args ...any) *diag.Error {
	return &diag.Error{
		Message: fmt.Sprintf(format, args...), Class: diag.Usage,
		Range: &diag.Range{File: File, Line: line, Column: column},
	}
}

// errorAt is an error at the last place of kernels.toml where text stands in quotes.
func (k *Set) errorAt(text, format string, args ...any) *diag.Error {
	at := bytes.LastIndex(k.content, []byte(`"`+text+`"`))
	if at < 0 {
		return errorIn(1, 1, format, args...)
	}
	before := k.content[:at]
	return errorIn(1+bytes.Count(before, []byte("\n")), at-bytes.LastIndexByte(before, '\n'), format, args...)
}

func (k *Set) checkSource(source Source, seen map[string]bool) error {
	switch {
	case !filepath.IsLocal(source.File) || filepath.Ext(source.File) != ".cu":
		return k.errorAt(source.File, "file %q: want a .cu file below %s", source.File, deviceDir)
	case seen[source.File]:
		return k.errorAt(source.File, "file %q has two entries", source.File)
	case len(source.SMs) == 0:
		return k.errorAt(source.File, "%s is compiled for no SM", source.File)
	case len(source.Kernels) == 0:
		return k.errorAt(source.File, "%s defines no kernel", source.File)
	case !slices.Contains([]string{"", "a", "f"}, source.Suffix):
		return k.errorAt(source.Suffix, "suffix %q: want a or f", source.Suffix)
	}
	seen[source.File] = true
	return k.checkPTX(source)
}

// For lists the sources that are compiled for an SM, in the order of kernels.toml.
func (k *Set) For(sm matrix.SM) []Source {
	var sources []Source
	for _, source := range k.Sources {
		if slices.Contains(source.SMs, sm) && !k.Shares(source, sm) {
			sources = append(sources, source)
		}
	}
	return sources
}

// Targets lists the kernels that the cubins of each target must hold, for all sources of some SMs.
func (k *Set) Targets(sms []matrix.SM) map[Arch][]string {
	targets := map[Arch][]string{}
	for _, sm := range sms {
		for _, source := range k.For(sm) {
			targets[source.Arch(sm)] = append(targets[source.Arch(sm)], source.Kernels...)
		}
	}
	return targets
}

// Names lists the kernels of sms, sorted. If some of sms lack a kernel, "@" and the SMs that have the kernel, joined
// by commas, follow the kernel's name; or "@-" and the SMs that lack it, if these are fewer.
func (k *Set) Names(sms []matrix.SM) []string {
	owners := map[string][]matrix.SM{}
	for _, sm := range sms {
		for _, source := range k.For(sm) {
			for _, kernel := range source.Kernels {
				owners[kernel] = append(owners[kernel], sm)
			}
		}
	}
	names := make([]string, 0, len(owners))
	for kernel, of := range owners {
		names = append(names, kernel+ownersText(of, sms))
	}
	slices.Sort(names)
	return names
}

func ownersText(of, sms []matrix.SM) string {
	without := slices.DeleteFunc(slices.Clone(sms), func(sm matrix.SM) bool { return slices.Contains(of, sm) })
	switch {
	case len(without) == 0:
		return ""
	case len(without) < len(of):
		return "@-" + commas(without)
	}
	return "@" + commas(of)
}

func commas(sms []matrix.SM) string {
	words := make([]string, len(sms))
	for i, sm := range sms {
		words[i] = sm.String()
	}
	return strings.Join(words, ",")
}

// Check reports SMs of the matrix that have two sources of one operation, and packages that lack the source of
// attention for one of their SMs. It also reports kernels that an SM would get twice, and SMs that would not load the
// code that the matrix gives them.
func (k *Set) Check(m *matrix.Matrix) error {
	errs := []error{k.checkKindUse(), k.checkSameUse(m)}
	for _, sm := range m.SMs() {
		errs = append(errs, k.checkSM(sm))
	}
	for _, pkg := range m.Packages() {
		errs = append(errs, k.checkPackage(m, pkg))
	}
	return errors.Join(append(errs, k.CheckImages(m))...)
}

// CheckImages is the part of Check that needs no sources: it reports SMs that would not load the code that the matrix
// gives them.
func (k *Set) CheckImages(m *matrix.Matrix) error {
	var errs []error
	for _, sm := range m.Capabilities() {
		errs = append(errs, k.checkImage(m, sm))
	}
	return errors.Join(errs...)
}

// checkImage reports an SM that runs another SM's code and would not load that SM's attention kernels.
func (k *Set) checkImage(m *matrix.Matrix, sm matrix.SM) error {
	of := m.Image(sm)
	for _, source := range k.For(of) {
		if source.Operation() != attention || (Image{Arch: source.Arch(of)}).Loads(sm) != None {
			continue
		}
		return &diag.Error{Class: diag.Usage, Range: m.ImageRange(sm),
			Message: fmt.Sprintf("SM %s does not load the code of %s, only that of an older SM of the same major", sm, source.Arch(of))}
	}
	return nil
}

func (k *Set) checkSM(sm matrix.SM) error {
	operations := map[string]string{}
	owner := map[string]string{}
	for _, source := range k.For(sm) {
		operation := source.Operation()
		if first, ok := operations[operation]; ok {
			return k.errorAt(source.File, "SM %s has two sources of %s: %s, %s", sm, operation, first, source.File)
		}
		operations[operation] = source.File
		for _, kernel := range source.Kernels {
			if first, ok := owner[kernel]; ok {
				return k.errorAt(source.File, "kernel %s of SM %s is in both %s and %s", kernel, sm, first, source.File)
			}
			owner[kernel] = source.File
		}
	}
	return nil
}
