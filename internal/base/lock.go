// Package base makes the two named contexts that a build starts from, without an image registry: a Debian root and
// CPython interpreters. Both come from package archives, pinned by lock/system.hcl, and end as OCI layouts in the
// state directory.
package base

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsimple"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/hcldiag"
	"github.com/sagebuild/sagebuild/matrix"
)

// Lock is the content of lock/system.hcl.
type Lock struct {
	// Architecture is Debian's and Go's name of the machine the pins are for.
	Architecture string `hcl:"architecture"`
	// Epoch is the newest time, in seconds since 1970, that a file may carry.
	Epoch   int64    `hcl:"epoch"`
	Base    Archive  `hcl:"base,block"`
	Pythons []Python `hcl:"python,block"`
	// Platforms are the machines that tests emulate.
	Platforms []Platform `hcl:"platform,block"`

	text []byte // the file as it was read
}

// Archive is a set of packages of one frozen Debian suite.
type Archive struct {
	Suite    string            `hcl:"suite"`
	Include  []string          `hcl:"include"`  // packages asked for
	Packages map[string]string `hcl:"packages"` // name → "version sha256:…" of everything that came

	Range      hcl.Range `hcl:",def_range"`
	PackagesAt hcl.Range `hcl:"packages,attr_range"`
}

// Python is one interpreter: a Go module that embeds it, or Debian packages.
type Python struct {
	Version string   `hcl:"version,label"`
	Module  *Module  `hcl:"module,block"`
	Debian  *Archive `hcl:"debian,block"`
	// Tree is the digest of the layer's tar file.
	Tree string `hcl:"tree"`

	Range  hcl.Range `hcl:",def_range"`
	TreeAt hcl.Range `hcl:"tree,attr_range"`
}

// Module is a Go module at a version, with go.sum's hash of its files.
type Module struct {
	Path    string `hcl:"path"`
	Version string `hcl:"version"`
	Sum     string `hcl:"sum"`
}

// Pin is a package's version and hash.
type Pin struct{ Version, SHA256 string }

func (p Pin) String() string { return p.Version + " sha256:" + p.SHA256 }

var (
	pinPattern  = regexp.MustCompile(`^([0-9A-Za-z.+:~-]+) sha256:([0-9a-f]{64})$`)
	treePattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	sumPattern  = regexp.MustCompile(`^h1:[0-9A-Za-z+/]{43}=$`)
	suiteName   = regexp.MustCompile(`^[a-z]+$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+$`)
)

// ReadLock reads a lock file. A mistake in it is a *diag.Error with its place.
func ReadLock(path string) (*Lock, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &diag.Error{Message: "cannot read the lock", Hint: diag.Command("git", "checkout", path), Class: diag.Usage, Err: err}
	}
	return ParseLock(path, data)
}

// ParseLock is ReadLock for a file's content.
func ParseLock(path string, data []byte) (*Lock, error) {
	lock := Lock{text: data}
	// The name decides the syntax, and a lock is HCL whatever it is called.
	name := path
	if !strings.HasSuffix(name, ".hcl") {
		name += ".hcl"
	}
	if err := hclsimple.Decode(name, data, nil, &lock); err != nil {
		return nil, syntaxError(path, err)
	}
	if err := lock.validate(); err != nil {
		return nil, err
	}
	return &lock, nil
}

func syntaxError(path string, err error) error {
	e := &diag.Error{Class: diag.Usage, Message: "invalid lock", Hint: diag.Command("git", "checkout", path), Err: err}
	var diagnostics hcl.Diagnostics
	if !errors.As(err, &diagnostics) {
		return e
	}
	if found := hcldiag.Errors(diagnostics); len(found) > 0 {
		e.Range, e.Err = found[0].Range, errors.New(found[0].Message)
	}
	return e
}

func mistake(at hcl.Range, format string, args ...any) error {
	return &diag.Error{Range: hcldiag.Place(at), Message: fmt.Sprintf(format, args...), Hint: "sagebuild lock", Class: diag.Usage}
}

func (l *Lock) validate() error {
	if err := l.Base.validate(); err != nil {
		return err
	}
	if err := validatePythons(l.Pythons); err != nil {
		return err
	}
	return l.validatePlatforms()
}

func validatePythons(pythons []Python) error {
	seen := map[string]bool{}
	for _, p := range pythons {
		if err := p.validate(); err != nil {
			return err
		}
		if seen[p.Version] {
			return mistake(p.Range, "python %s is locked twice", p.Version)
		}
		seen[p.Version] = true
	}
	return nil
}

func (a *Archive) validate() error {
	if !suiteName.MatchString(a.Suite) {
		return mistake(a.Range, "%q is not the name of a debian suite", a.Suite)
	}
	for _, name := range a.Include {
		if !packageName.MatchString(name) {
			return mistake(a.Range, "%q is not the name of a debian package", name)
		}
	}
	for name, text := range a.Packages {
		if _, err := parsePin(text); err != nil || !packageName.MatchString(name) {
			return mistake(a.PackagesAt, "package %s: %q is not a version and a sha256", name, text)
		}
	}
	return nil
}

func (p *Python) validate() error {
	if _, err := matrix.ParseVersion(p.Version); err != nil {
		return mistake(p.Range, "python: %v", err)
	}
	if !treePattern.MatchString(p.Tree) {
		return mistake(p.TreeAt, "python %s: %q is not a sha256 digest", p.Version, p.Tree)
	}
	switch {
	case (p.Module == nil) == (p.Debian == nil):
		return mistake(p.Range, "python %s needs either a module or a debian block", p.Version)
	case p.Debian != nil:
		return p.Debian.validate()
	case !sumPattern.MatchString(p.Module.Sum):
		return mistake(p.Range, "python %s: %q is not a go.sum hash", p.Version, p.Module.Sum)
	}
	return nil
}

// keyParts is everything in a that decides what is made of it.
func (a *Archive) keyParts() []string {
	parts := append([]string{a.Suite}, a.Include...)
	for _, name := range slices.Sorted(maps.Keys(a.Packages)) {
		parts = append(parts, name, a.Packages[name])
	}
	return parts
}

func parsePin(text string) (Pin, error) {
	m := pinPattern.FindStringSubmatch(text)
	if m == nil {
		return Pin{}, fmt.Errorf("%q is not a version and a sha256", text)
	}
	return Pin{Version: m[1], SHA256: m[2]}, nil
}

// python finds an interpreter of the lock by its two-number version.
func (l *Lock) python(version matrix.Version) (*Python, error) {
	return findPython(l.Pythons, "python", version)
}

func findPython(pythons []Python, what string, version matrix.Version) (*Python, error) {
	var known []string
	for i := range pythons {
		if pythons[i].Version == version.Minor().String() {
			return &pythons[i], nil
		}
		known = append(known, pythons[i].Version)
	}
	return nil, diag.Usagef("sagebuild bake --python-image IMAGE", "the lock has no %s %s, only %s", what, version, strings.Join(known, ", "))
}
