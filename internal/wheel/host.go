package wheel

import (
	"path"
	"slices"
	"strings"
	"time"
)

// systemLibraries are what a wheel may link without carrying it, as patterns. Of Linux glibc's own parts: thread-local
// variables need the loader, whose name tells the machine. Of Windows its kernel and its C runtimes, which are parts of
// Windows 10 (ucrtbase and its names for sets of functions) and of every Windows (msvcrt).
var systemLibraries = map[Format][]string{
	FormatELF: {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"},
	FormatPE:  {"kernel32.dll", "ucrtbase.dll", "api-ms-win-crt-*.dll", "msvcrt.dll"},
}

// sameLibrary matches a library's name with a pattern; Windows does not tell case.
func sameLibrary(format Format, pattern, name string) bool {
	if format == FormatPE {
		pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	}
	same, _ := path.Match(pattern, name)
	return same
}

func (w *Wheel) checkObjects(want Expectation, report *findings) {
	for _, object := range w.Objects {
		for _, tag := range w.Filename.Platform {
			if !ParsePlatform(tag).Fits(object) {
				report.fail(CodeMachine, object.Member, "it is for %s on %s, the platform tag is %s", object.Format.System(), object.Machine, tag)
			}
		}
		want.checkObject(object, report)
	}
	for _, name := range want.Exports {
		if !slices.ContainsFunc(w.Objects, func(o Object) bool { return slices.Contains(o.Exported, name) }) {
			report.fail(CodeExport, "", "no library exports %s", name)
		}
	}
}

func (want Expectation) checkObject(object Object, report *findings) {
	allowed := want.Needed
	if allowed == nil {
		allowed = systemLibraries[object.Format]
	}
	for _, library := range slices.Concat(object.Needed, object.Delayed) {
		if !slices.ContainsFunc(allowed, func(pattern string) bool { return sameLibrary(object.Format, pattern, library) }) {
			report.fail(CodeNeeded, object.Member, "it links %s; allowed are %s", library, list(allowed))
		}
	}
	if len(object.RPath) > 0 {
		report.fail(CodeRPath, object.Member, "it carries the run path %s", list(object.RPath))
	}
	if !object.Stripped {
		report.fail(CodeUnstripped, object.Member, "it is not stripped")
	}
	if want.GlibcFloor != "" && object.GlibcFloor != "" && compareDotted(object.GlibcFloor, want.GlibcFloor) > 0 {
		report.fail(CodeGlibcFloor, object.Member, "it needs glibc %s, the floor is %s", object.GlibcFloor, want.GlibcFloor)
	}
	if object.HasBuildPath() {
		report.fail(CodeBuildPath, object.Member, "it names %s, a path of the machine it was linked on", object.PDB)
	}
	if at := object.LinkedAt(); at.After(zipEpoch) {
		report.fail(CodeTimestamp, object.Member, "it says that it was linked at %s: no second build will be the same", at.Format(time.RFC3339))
	}
}

// zipEpoch is the time of every member of a wheel that is built again to the same bytes.
var zipEpoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
