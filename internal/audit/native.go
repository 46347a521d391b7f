package audit

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// native is a library of the wheel, whether its format is read or not.
type native struct {
	member, system, machine string
	extension               bool // a module that Python imports
}

// where is "windows on x86_64".
func (n native) where() string {
	if n.machine == "" {
		return n.system
	}
	return n.system + " on " + n.machine
}

// natives lists what a loader might be asked for.
func (r *Report) natives() []native {
	var list []native
	for _, o := range r.wheel.Objects {
		list = append(list, native{o.Member, o.Format.System(), o.Machine, isExtension(o.Member)})
	}
	for _, f := range r.wheel.Foreign {
		if f.System != "" && f.Format != object.DebugFile {
			list = append(list, native{f.Member, f.System, f.Machine, isExtension(f.Member)})
		}
	}
	return list
}

// extensionName are the suffixes of modules that one CPython alone imports: .cpython-312-x86_64-linux-gnu.so,
// .cpython-312-darwin.so, .cp312-win_amd64.pyd. Source: CPython, importlib.machinery.EXTENSION_SUFFIXES on each system.
var extensionName = regexp.MustCompile(`^(.*)\.(?:cpython-|cp)(3\d+t?)d?-[^./]*\.(?:so|pyd)$`)

// isExtension reports whether the name alone says that Python imports the file.
func isExtension(member string) bool {
	return extensionName.MatchString(path.Base(member)) || strings.HasSuffix(member, ".pyd") || strings.HasSuffix(member, ".abi3.so")
}

// checkExtensions reports modules that no Python of the tag imports, by the name that its import looks for. A module for
// another Python may lie beside one that fits.
func (r *Report) checkExtensions(natives []native) {
	pythons := r.cpythons()
	if len(pythons) == 0 {
		return
	}
	importable := map[string]bool{}
	for _, n := range natives {
		directory, file := path.Split(n.member)
		if parts := extensionName.FindStringSubmatch(file); parts == nil || slices.Contains(pythons, parts[2]) {
			stem, _, _ := strings.Cut(file, ".")
			importable[directory+stem] = true
		}
	}
	for _, n := range natives {
		directory, file := path.Split(n.member)
		if parts := extensionName.FindStringSubmatch(file); parts != nil && !importable[directory+parts[1]] {
			r.fail(CodePython, n.member, "CPython 3.%s alone imports a module of this name, the tag is %s", parts[2][1:], r.Filename.CompressedTag())
		}
	}
}

// cpythons are the CPythons of the tag, as file names have them: 312. A tag for later ones too (abi3, py3) gives none,
// because modules of one Python may be extras there.
func (r *Report) cpythons() []string {
	var list []string
	for _, abi := range r.Filename.ABI {
		match := cpythonABI.FindStringSubmatch(abi)
		if match == nil {
			return nil
		}
		list = append(list, "3"+match[1]+match[2])
	}
	return list
}

// checkRunPath reports directories that differ from machine to machine. The loader of glibc takes an empty element of a
// list, and a relative one, for the working directory of the process (elf/dl-load.c, fillin_rpath); it ignores a run path
// that is empty as a whole.
func (r *Report) checkRunPath(o Object) {
	for _, directory := range o.RPath {
		switch {
		case strings.HasPrefix(directory, "$ORIGIN"), strings.HasPrefix(directory, "${ORIGIN}"):
		case directory == "":
			r.fail(finding.CodeRPath, o.Member, "its run path has an empty element: the loader searches the working directory of whoever runs it")
		case directory[0] != '/' && directory[0] != '$':
			r.fail(finding.CodeRPath, o.Member, "its run path %q is relative: the loader searches below the working directory of whoever runs it", directory)
		default:
			r.warn(finding.CodeRPath, o.Member, "its run path %q is a directory of the machine it was built on", directory)
		}
	}
}
