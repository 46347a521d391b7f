package wheel

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// systemLibraries are patterns of the libraries that a wheel may link without carrying them. On Linux they are the
// parts of glibc, with the loader of each machine, because thread-local variables need the loader. On Windows they
// are the kernel and two C runtimes: ucrtbase with its names for sets of functions, a part of Windows 10, and msvcrt,
// a part of every Windows.
var systemLibraries = map[object.Format][]string{
	object.FormatELF: {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"},
	object.FormatPE:  {"kernel32.dll", "ucrtbase.dll", "api-ms-win-crt-*.dll", "msvcrt.dll"},
}

// sameLibrary matches a library's name with a pattern; Windows ignores case.
func sameLibrary(format object.Format, pattern, name string) bool {
	if format == object.FormatPE {
		pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	}
	same, _ := path.Match(pattern, name)
	return same
}

func (w *Wheel) checkObjects(want Expectation, report *finding.List) {
	for _, object := range w.Objects {
		for _, tag := range w.Filename.Platform {
			if !ParsePlatform(tag).Fits(object.Format.System(), object.Machine) {
				report.Fail(finding.CodeMachine, object.Member, "it is for %s on %s, the platform tag is %s", object.Format.System(), object.Machine, tag)
			}
		}
		want.checkObject(object, report)
	}
	for _, name := range want.Exports {
		if !slices.ContainsFunc(w.Objects, func(o object.Object) bool { return slices.Contains(o.Exported, name) }) {
			report.Fail(finding.CodeExport, "", "no library exports %s", name)
		}
	}
}

func (want Expectation) checkObject(o object.Object, report *finding.List) {
	allowed := want.Needed
	if allowed == nil {
		allowed = systemLibraries[o.Format]
	}
	for _, library := range o.Libraries() {
		if !slices.ContainsFunc(allowed, func(pattern string) bool { return sameLibrary(o.Format, pattern, library) }) {
			report.Fail(finding.CodeNeeded, o.Member, "it links %s; allowed are %s", library, list(allowed))
		}
	}
	if len(o.RPath) > 0 {
		report.Fail(finding.CodeRPath, o.Member, "it carries the run path %s", list(o.RPath))
	}
	if !o.Stripped {
		report.Fail(finding.CodeUnstripped, o.Member, "it is not stripped")
	}
	if want.GlibcFloor != "" && o.GlibcFloor != "" && object.CompareDotted(o.GlibcFloor, want.GlibcFloor) > 0 {
		report.Fail(finding.CodeGlibcFloor, o.Member, "it needs glibc %s, the floor is %s", o.GlibcFloor, want.GlibcFloor)
	}
	if o.HasBuildPath() {
		report.Fail(finding.CodeBuildPath, o.Member, "it names %s, a path of the machine it was linked on", o.PDB)
	}
	if at := o.LinkedAt(); at.After(zipEpoch) {
		report.Fail(finding.CodeTimestamp, o.Member, "it says that it was linked at %s: no second build will be the same", at.Format(time.RFC3339))
	}
}

// zipEpoch is the time of every member of a wheel that is built again to the same bytes.
var zipEpoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
