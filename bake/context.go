package bake

import (
	"fmt"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// Names of the Dockerfile's contexts that a plan gives.
const (
	ContextBase     = "base"     // a Debian root
	ContextPython   = "python"   // tests: CPython below /usr/local
	ContextEmulator = "emulator" // tests of another platform: a Debian root that runs the platform's programs
	ContextWheel    = "wheel"    // tests of a wheel that exists: the wheel alone
)

// Context says where the files of a named context come from. Exactly one field is set.
type Context struct {
	Reference string // what BuildKit reads itself: docker-image://NAME, oci-layout://DIR, a directory
	Locked    Locked // what this machine makes from lock/system.hcl
	Wheel     string // a wheel's file; the context holds nothing else, under the wheel's own name
}

// String is the context as a plan prints it.
func (c Context) String() string {
	switch {
	case c.Wheel != "":
		return c.Wheel
	case c.Locked.Tree != "":
		return "lock://" + c.Locked.String()
	}
	return c.Reference
}

// MarshalText implements encoding.TextMarshaler.
func (c Context) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Tree is a kind of file tree that lock/system.hcl pins.
type Tree string

// The kinds of trees.
const (
	TreeDebian   Tree = "debian"   // the root of every stage
	TreeEmulator Tree = "emulator" // a Debian root that runs the programs of a platform
	TreePython   Tree = "python"   // CPython below /usr/local
)

// Locked is one tree of lock/system.hcl. The zero value is none.
type Locked struct {
	Tree     Tree
	Platform string         // the emulated platform that the tree is for; "" is the platform that builds
	Python   matrix.Version // of TreePython: the CPython
}

// String is debian, python-3.12, windows/emulator or windows/python-3.12.
func (l Locked) String() string {
	text := string(l.Tree)
	if l.Tree == TreePython {
		text += "-" + l.Python.String()
	}
	if l.Platform != "" {
		text = l.Platform + "/" + text
	}
	return text
}

// PythonPlaceholder stands for the version of a test's CPython in PlanOptions.PythonImage.
const PythonPlaceholder = "{python}"

// contexts are the named contexts that the stages of a target read.
func (o PlanOptions) contexts(selected matrix.Selection) map[string]Context {
	all := map[string]Context{ContextBase: o.context(o.BaseImage, Locked{Tree: TreeDebian}, baseImage)}
	on := selected.Test
	if on == nil {
		return all
	}
	python := on.Python.String()
	platform := emulatedPlatform(selected.Cell)
	named := strings.ReplaceAll(o.PythonImage, PythonPlaceholder, python)
	all[ContextPython] = o.context(named, Locked{TreePython, platform, on.Python}, fmt.Sprintf(pythonImage, python))
	if platform != "" {
		all[ContextEmulator] = o.context(o.BaseImage, Locked{Tree: TreeEmulator, Platform: platform}, baseImage)
	}
	if o.WheelFile != "" {
		all[ContextWheel] = Context{Wheel: o.WheelFile}
	}
	return all
}

// context is the image that the options name. Without such an image it is the tree of the lock, if the options want
// trees of the lock, and otherwise an ordinary image.
func (o PlanOptions) context(named string, locked Locked, image string) Context {
	switch {
	case strings.Contains(named, "://"):
		return Context{Reference: named}
	case named != "":
		return Context{Reference: imageScheme + named}
	case o.Locked:
		return Context{Locked: locked}
	}
	return Context{Reference: imageScheme + image}
}

// imageScheme begins the contexts that are images.
const imageScheme = "docker-image://"

// emulatedPlatform is the name of the platform whose programs an emulator runs, or "" where the machine runs them
// itself.
func emulatedPlatform(cell matrix.Cell) string {
	if cell.Platform.Emulator == "" {
		return ""
	}
	return cell.Platform.Name
}
