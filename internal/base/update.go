package base

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/sagebuild/sagebuild/internal/digest"
)

// UpdateLock makes everything that s.Lock names, taking whatever the archives have today, and returns the lock's text
// with the pins of what came. Suites, included packages and module versions stay as they are; changing those is an
// edit of the file.
func (s *Store) UpdateLock(ctx context.Context) ([]byte, error) {
	file, diagnostics := hclwrite.ParseConfig(s.Lock.text, "system.hcl", hcl.InitialPos)
	if diagnostics.HasErrors() {
		return nil, syntaxError("system.hcl", diagnostics)
	}
	pins, err := s.currentRoot(ctx, "base", &s.Lock.Base)
	if err != nil {
		return nil, err
	}
	setPackages(file.Body().FirstMatchingBlock("base", nil), pins)
	for i := range s.Lock.Platforms {
		p := &s.Lock.Platforms[i]
		if err := s.updatePlatform(ctx, p, pins, file.Body().FirstMatchingBlock("platform", []string{p.Name})); err != nil {
			return nil, err
		}
	}
	for i := range s.Lock.Pythons {
		p := &s.Lock.Pythons[i]
		if err := s.updatePython(ctx, p, file.Body().FirstMatchingBlock("python", []string{p.Version})); err != nil {
			return nil, err
		}
	}
	return hclwrite.Format(file.Bytes()), nil
}

// inWork runs f with a working directory in the state directory.
func (s *Store) inWork(f func(work string) error) error {
	bases, err := filepath.Abs(filepath.Join(s.State, "bases"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bases, 0o700); err != nil {
		return stateError(bases, err)
	}
	work, err := os.MkdirTemp(bases, "update-")
	if err != nil {
		return stateError(bases, err)
	}
	defer os.RemoveAll(work)
	return f(work)
}

// currentRoot returns what the Debian root of a is made of today.
func (s *Store) currentRoot(ctx context.Context, name string, a *Archive) (pins map[string]Pin, err error) {
	s.say("%s: reading the archive", name)
	err = s.inWork(func(work string) error {
		_, pins, err = s.download(ctx, work, a, s.Lock.Architecture)
		return err
	})
	return pins, err
}

func (s *Store) updatePython(ctx context.Context, p *Python, block *hclwrite.Block) error {
	s.say("python%s: reading the archive", p.Version)
	return s.inWork(func(work string) error {
		path, err := s.currentPython(ctx, work, p, block)
		if err != nil {
			return err
		}
		sum, err := digest.File(path)
		block.Body().SetAttributeValue("tree", cty.StringVal("sha256:"+sum))
		return err
	})
}

// currentPython makes an interpreter's layer, and pins in block the packages or the module of the layer.
func (s *Store) currentPython(ctx context.Context, work string, p *Python, block *hclwrite.Block) (string, error) {
	if p.Module != nil {
		path, sum, err := s.modulePython(ctx, work, s.ownLayer(p, anySum))
		block.Body().FirstMatchingBlock("module", nil).Body().SetAttributeValue("sum", cty.StringVal(sum))
		return path, err
	}
	return s.debianPython(ctx, work, p, func(found map[string]Pin) error {
		setPackages(block.Body().FirstMatchingBlock("debian", nil), found)
		return nil
	})
}

// updatePlatform pins in block the packages of a platform's emulator that the base lacks, and the platform's
// interpreters.
func (s *Store) updatePlatform(ctx context.Context, p *Platform, base map[string]Pin, block *hclwrite.Block) error {
	pins, err := s.currentRoot(ctx, "emulator-"+p.Name, s.Lock.emulator(p))
	if err != nil {
		return err
	}
	maps.DeleteFunc(pins, func(name string, pin Pin) bool { return base[name] == pin })
	setPackages(block.Body().FirstMatchingBlock("emulator", nil), pins)
	for i := range p.Pythons {
		if err := s.updatePlatformPython(ctx, p, &p.Pythons[i], block); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) updatePlatformPython(ctx context.Context, p *Platform, python *Python, block *hclwrite.Block) error {
	s.say("%s-python%s: reading the archive", p.Name, python.Version)
	pinned := block.Body().FirstMatchingBlock("python", []string{python.Version}).Body()
	return s.inWork(func(work string) error {
		pinLibraries := func(found map[string]Pin) error {
			setPackages(block.Body().FirstMatchingBlock("libraries", nil), found)
			return nil
		}
		path, sum, err := s.platformPython(ctx, work, p, python, platformChecks{anySum, pinLibraries})
		if err != nil {
			return err
		}
		tree, err := digest.File(path)
		pinned.FirstMatchingBlock("module", nil).Body().SetAttributeValue("sum", cty.StringVal(sum))
		pinned.SetAttributeValue("tree", cty.StringVal("sha256:"+tree))
		return err
	})
}

// anySum accepts every module.
func anySum(string) error { return nil }

// setPackages writes one package a line, sorted, so that an update reads well as a difference.
func setPackages(block *hclwrite.Block, pins map[string]Pin) {
	var text []byte
	text = append(text, "x = {\n"...)
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		text = fmt.Appendf(text, "%q = %q\n", name, pins[name])
	}
	text = append(text, "}\n"...)
	file, _ := hclwrite.ParseConfig(text, "", hcl.InitialPos)
	block.Body().SetAttributeRaw("packages", file.Body().GetAttribute("x").Expr().BuildTokens(nil))
}
