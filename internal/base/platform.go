package base

import (
	"context"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

// Platform is a kind of machine that tests emulate on the machine that builds.
type Platform struct {
	Name string `hcl:"name,label"` // as in the matrix
	// Machine is what the interpreters' modules call the platform, such as windows-amd64.
	Machine string `hcl:"machine"`
	// Image is the architecture that the interpreters' images name. A platform without Linux images names the
	// builder's: a build only takes files from these images.
	Image string `hcl:"image"`
	// Emulator is what the base needs on top to run the platform's programs.
	Emulator Archive `hcl:"emulator,block"`
	// Libraries are Debian packages of the platform that interpreters and wheels stand on: the C library and the
	// like.
	Libraries *Archive `hcl:"libraries,block"`
	Pythons   []Python `hcl:"python,block"`

	Range hcl.Range `hcl:",def_range"`
}

var (
	machineName      = regexp.MustCompile(`^[a-z]+-[a-z0-9]+$`)
	architectureName = regexp.MustCompile(`^[a-z0-9]+$`)
)

func (l *Lock) validatePlatforms() error {
	seen := map[string]bool{}
	for i := range l.Platforms {
		p := &l.Platforms[i]
		if seen[p.Name] {
			return mistake(p.Range, "platform %s is locked twice", p.Name)
		}
		seen[p.Name] = true
		if err := l.validatePlatform(p); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lock) validatePlatform(p *Platform) error {
	if !machineName.MatchString(p.Machine) || !architectureName.MatchString(p.Image) {
		return mistake(p.Range, "platform %s: %q or %q is not the name of a machine", p.Name, p.Machine, p.Image)
	}
	if err := p.Emulator.validate(); err != nil {
		return err
	}
	if p.Emulator.Suite != l.Base.Suite {
		return mistake(p.Emulator.Range, "platform %s: the emulator is of %s and the base of %s", p.Name, p.Emulator.Suite, l.Base.Suite)
	}
	if p.Libraries != nil {
		if err := p.Libraries.validate(); err != nil {
			return err
		}
	}
	for _, python := range p.Pythons {
		if python.Module == nil {
			return mistake(python.Range, "platform %s: python %s needs a module block", p.Name, python.Version)
		}
	}
	return validatePythons(p.Pythons)
}

// platform finds a platform of the lock by the matrix's name for it.
func (l *Lock) platform(name string) (*Platform, error) {
	var known []string
	for i := range l.Platforms {
		if l.Platforms[i].Name == name {
			return &l.Platforms[i], nil
		}
		known = append(known, l.Platforms[i].Name)
	}
	return nil, diag.Usagef("sagebuild matrix", "the lock emulates no platform %s, only %s", name, strings.Join(known, ", "))
}

// emulator is the base with the packages of a platform's emulator. The lock pins packages of the base with the base,
// and with the emulator only those that the base lacks.
func (l *Lock) emulator(p *Platform) *Archive {
	packages := maps.Clone(l.Base.Packages)
	maps.Copy(packages, p.Emulator.Packages)
	return &Archive{Suite: l.Base.Suite, Include: slices.Concat(l.Base.Include, p.Emulator.Include), Packages: packages,
		Range: p.Emulator.Range, PackagesAt: p.Emulator.PackagesAt}
}

// Emulator returns the Debian root that runs programs of a platform: the base with an emulator.
func (s *Store) Emulator(ctx context.Context, platform string) (Layout, error) {
	p, err := s.Lock.platform(platform)
	if err != nil {
		return Layout{}, err
	}
	return s.root(ctx, "emulator-"+p.Name, s.Lock.emulator(p))
}

// PlatformPython returns the interpreter of a platform below /usr/local, with the libraries that it stands on where
// Debian keeps them.
func (s *Store) PlatformPython(ctx context.Context, platform string, version matrix.Version) (Layout, error) {
	p, err := s.Lock.platform(platform)
	if err != nil {
		return Layout{}, err
	}
	python, err := findPython(p.Pythons, p.Name+" python", version)
	if err != nil {
		return Layout{}, err
	}
	// A new layout replaces every layout whose name starts with its own, so the platform's name comes first.
	w := wanted{p.Name + "-python" + python.Version, s.key(p.keyParts(python)...), p.Image}
	return s.layout(ctx, w, func(ctx context.Context, work string) (string, error) {
		path, _, err := s.platformPython(ctx, work, p, python, platformChecks{lockedSum(python), s.lockedLibraries(p)})
		if err != nil {
			return "", err
		}
		return path, checkTree(python, path)
	})
}

// keyParts is everything that decides the layout of an interpreter of p.
func (p *Platform) keyParts(python *Python) []string {
	return []string{p.Name, p.Image, python.Version, python.Tree}
}

// platformChecks accept or refuse what an interpreter of a platform is made of.
type platformChecks struct {
	module    sumCheck
	libraries pinCheck
}

// platformPython makes the layer of an interpreter of p and returns its path and the module's hash.
func (s *Store) platformPython(ctx context.Context, work string, p *Platform, python *Python, checks platformChecks) (string, string, error) {
	layer := moduleLayer{Module: python.Module, machine: p.Machine, check: checks.module}
	if p.Libraries != nil {
		layer.add = func(t *tree) error { return s.addLibraries(ctx, work, t, p, checks.libraries) }
	}
	return s.modulePython(ctx, work, layer)
}

// addLibraries adds the shared libraries of p's packages to a tree.
func (s *Store) addLibraries(ctx context.Context, work string, t *tree, p *Platform, check pinCheck) error {
	debs, all, err := s.download(ctx, work, p.Libraries, p.Image)
	if err != nil {
		return err
	}
	pins, err := includedPins(p.Libraries, all)
	if err != nil {
		return err
	}
	if err := check(pins); err != nil {
		return err
	}
	return addDebs(ctx, t, debs, p.Libraries, sharedLibrary)
}

// lockedLibraries accepts the packages that the lock has.
func (s *Store) lockedLibraries(p *Platform) pinCheck {
	if p.Libraries == nil {
		return nil
	}
	return s.lockedPackages(p.Libraries)
}

var libraryPath = regexp.MustCompile(`^(usr/)?lib/([a-z0-9_]+-linux-gnu/)?[^/]+\.so(\.[0-9]+)*$`)

// sharedLibrary keeps a shared library at the path that its package gives it, and nothing else of the package.
func sharedLibrary(name string) (string, bool) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	return name, libraryPath.MatchString(name)
}
