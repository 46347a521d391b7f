package kernels

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// Of is the part of the set that the wheels of a package hold. The C library is the same for all packages.
func (k *Set) Of(pkg string) *Set {
	part := *k
	part.Kinds = slices.DeleteFunc(slices.Clone(k.Kinds), func(kind Kind) bool { return !slices.Contains(kind.Packages, pkg) })
	part.Sources = slices.DeleteFunc(slices.Clone(k.Sources), func(s Source) bool { return !s.serves(pkg) })
	return &part
}

func (s Source) serves(pkg string) bool { return slices.Contains(s.Packages, pkg) }

// Holders lists the packages of a matrix whose wheels hold a source's code for an SM.
func (s Source) Holders(m *matrix.Matrix, sm matrix.SM) []string {
	var names []string
	for _, pkg := range m.Packages() {
		if s.serves(pkg.Name) && slices.Contains(m.SMsOf(pkg), sm) {
			names = append(names, pkg.Name)
		}
	}
	return names
}

// completePackages gives a source without a kind its packages: those that it names, else all.
func (k *Set) completePackages(source *Source) error {
	if unknown := k.unknownPackage(source.Packages); unknown != "" {
		return k.errorAt(source.File, "%s: %s", source.File, unknown)
	}
	if len(source.Packages) == 0 {
		source.Packages = k.Packages
	}
	return nil
}

// unknownPackage says which of some names is no package of the list at the head of kernels.toml, or "".
func (k *Set) unknownPackage(names []string) string {
	for _, name := range names {
		if !slices.Contains(k.Packages, name) {
			return fmt.Sprintf("package %q is none of %s", name, strings.Join(k.Packages, ", "))
		}
	}
	return ""
}

// checkPackage reports a package that kernels.toml does not know, and one that lacks attention for one of its SMs.
func (k *Set) checkPackage(m *matrix.Matrix, pkg matrix.Package) error {
	if !slices.Contains(k.Packages, pkg.Name) {
		e := errorIn(1, 1, "there are no kernels of package %s", pkg.Name)
		e.Hint = fmt.Sprintf("add %q to the packages of %s, or remove the package block of the matrix", pkg.Name, File)
		return e
	}
	var errs []error
	for _, sm := range m.SMsOf(pkg) {
		has := func(s Source) bool {
			return s.Operation() == attention && s.serves(pkg.Name) && slices.Contains(s.SMs, sm)
		}
		if !slices.ContainsFunc(k.Sources, has) {
			e := errorIn(1, 1, "package %s has no source of %s for SM %s", pkg.Name, attention, sm)
			e.Hint = fmt.Sprintf("add %q to the sms of a source attention_fp16_sm…, or take the SM from the matrix", sm)
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}
