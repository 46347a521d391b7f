package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Codes of findings that package wheel does not know. The text is stable, for scripts.
const (
	CodePlatformTag   finding.Code = "platform-tag"   // another machine in the platform tag, or none beside native code
	CodePlatformFloor finding.Code = "platform-floor" // the platform tag promises an older system than the code runs on
	CodePurelib       finding.Code = "purelib"        // WHEEL calls a wheel with shared objects pure
	CodePython        finding.Code = "python-library" // links libpython (not in static Pythons) or another Python's DLL
	CodeUnread        finding.Code = "not-read"       // libraries in a format that is not read
	CodeUnreadable    finding.Code = "unreadable"     // no file, or one that may not be read
	CodeTorchSymbol   finding.Code = "torch-symbol"   // torch does not export a symbol that the wheel needs
	CodePolicySM      finding.Code = "policy-sm"      // a required SM does not load natively
	CodePolicyPTX     finding.Code = "policy-ptx"
	CodePolicySize    finding.Code = "policy-size"
	CodePolicyNeeded  finding.Code = "policy-dependency"
	CodePolicyGlibc   finding.Code = "policy-glibc"
	CodePolicyStrip   finding.Code = "policy-stripped"
)

func (r *Report) fail(code finding.Code, member, format string, args ...any) {
	r.add(finding.Error, code, member, format, args...)
}

func (r *Report) warn(code finding.Code, member, format string, args ...any) {
	r.add(finding.Warning, code, member, format, args...)
}

func (r *Report) add(severity finding.Severity, code finding.Code, member, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	r.Findings = append(r.Findings, Finding{Finding: finding.Finding{Severity: severity, Code: code, Message: message, Member: member}})
}

// checkHost compares the shared objects with the platform tags, and reports why an object fails on other machines.
func (r *Report) checkHost() {
	natives := r.natives()
	if len(natives) == 0 {
		return
	}
	if r.Info.Purelib {
		r.warn(CodePurelib, "", "WHEEL says Root-Is-Purelib: true, yet there are shared objects")
	}
	for _, tag := range r.Filename.Platform {
		r.checkPlatform(tag, natives)
	}
	r.checkExtensions(natives)
	for _, object := range r.Objects {
		r.checkRunPath(object)
		if !object.Stripped {
			r.warn(finding.CodeUnstripped, object.Member, "it carries a symbol table or debug information")
		}
		r.checkDLL(object)
		if slices.ContainsFunc(object.Needed, func(name string) bool { return strings.HasPrefix(name, "libpython") }) {
			r.warn(CodePython, object.Member, "it links libpython, which many interpreters do not have")
		}
	}
}

// checkPlatform compares one platform tag with all libraries. A tag for several systems is a promise for each.
func (r *Report) checkPlatform(tag string, natives []native) {
	if tag == "any" {
		r.fail(CodePlatformTag, "", "the platform tag is any, yet there are shared objects for %s", natives[0].where())
		return
	}
	platform := wheel.ParsePlatform(tag)
	fits := func(n native) bool { return platform.Fits(n.system, n.machine) }
	for _, n := range natives {
		switch {
		case fits(n):
		case n.extension || !slices.ContainsFunc(natives, fits):
			r.fail(CodePlatformTag, n.member, "it is for %s, the platform tag is %s", n.where(), tag)
		default:
			r.warn(CodePlatformTag, n.member, "it is for %s, the platform tag is %s: only a program that picks its libraries itself can use it", n.where(), tag)
		}
	}
	if oldest := oldestGlibc(platform.Machine); newer(oldest, platform.Glibc) && platform.Glibc != "" {
		r.fail(CodePlatformTag, "", "installers take no %s: on %s the oldest is %s_%s", tag, platform.Machine, tagOf(oldest), platform.Machine)
	}
	if platform.Glibc == "" || r.promises(platform.Glibc) {
		return
	}
	for _, object := range r.Objects {
		if f := object.Floor; isELF(object) && (f.promise == "" || newer(f.promise, platform.Glibc)) {
			r.fail(CodePlatformFloor, object.Member, "the platform tag %s promises less than it needs: %s", tag, f)
		}
	}
}

// promises reports whether another tag of the wheel names an older system than glibc. That tag is the stronger
// promise, and one finding about it is enough.
func (r *Report) promises(glibc string) bool {
	for _, tag := range r.Filename.Platform {
		if other := wheel.ParsePlatform(tag).Glibc; other != "" && newer(glibc, other) {
			return true
		}
	}
	return false
}

// String lists what is needed: "glibc 2.28, GLIBCXX 3.4.24".
func (f Floor) String() string {
	var parts []string
	for _, part := range []struct{ name, version string }{{"glibc", f.Glibc}, {"GLIBCXX", f.Libstdcxx}, {"CXXABI", f.CXXABI}, {"GCC", f.Libgcc}} {
		if part.version != "" {
			parts = append(parts, part.name+" "+part.version)
		}
	}
	if len(parts) == 0 {
		return "no versions"
	}
	return strings.Join(parts, ", ")
}

// checkDevice warns of files, and of directories of cubin files, that no later GPU can load.
func (r *Report) checkDevice() {
	newest := map[string]kernels.Arch{}
	forward := map[string]bool{}
	linked := map[string]kernels.Image{} // PTX that only a device linker reads
	var members []string
	for _, code := range r.Code {
		member := code.place()
		ptx := code.Kind == device.KindPTX || code.Kind == device.KindRelocatablePTX
		if !code.Loadable {
			if image := (kernels.Image{Arch: code.Arch, PTX: true}); ptx && image.Arch.Compare(linked[member].Arch) > 0 {
				linked[member] = image
			}
			continue
		}
		forward[member] = forward[member] || code.Kind == device.KindPTX && code.Arch.Suffix == ""
		if code.Kind != device.KindCubin {
			continue
		}
		if _, ok := newest[member]; !ok {
			members = append(members, member)
		}
		if code.Arch.Compare(newest[member]) > 0 {
			newest[member] = code.Arch
		}
	}
	for _, member := range members {
		if forward[member] {
			continue
		}
		besides := ""
		if image, ok := linked[member]; ok {
			besides = fmt.Sprintf("; %s is in the section for the device linker alone, which no driver reads", image)
		}
		r.warn(finding.CodePTXMissing, member, "it holds no PTX that later GPUs could compile; the newest cubin is for SM %s%s", newest[member], besides)
	}
}

// checkPlan compares the wheel with the plan, if the matrix plans a wheel of this name. The plan is stricter than the
// rules for all wheels, so a finding of the plan replaces a finding of a rule on the same matter.
func (r *Report) checkPlan(options Options) {
	cells := options.Matrix.Cells()
	at := slices.IndexFunc(cells, func(cell matrix.Cell) bool { return cell.WheelName() == r.Name })
	if at < 0 {
		return
	}
	found := r.wheel.Deviations(wheel.Expect(cells[at], options.Sources))
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool {
		return slices.ContainsFunc(found, func(by finding.Finding) bool { return by.Code == f.Code && by.Member == f.Member })
	})
	for _, f := range found {
		r.Findings = append(r.Findings, Finding{Finding: f})
	}
}

// checkUnread names the libraries that the audit cannot read, so that nobody takes its silence for praise.
func (r *Report) checkUnread() {
	members := map[string][]string{}
	for _, foreign := range r.wheel.Foreign {
		members[foreign.Format] = append(members[foreign.Format], foreign.Member)
	}
	for _, format := range slices.Sorted(maps.Keys(members)) {
		if format == object.DebugFile {
			r.warn(finding.CodeUnstripped, few(members[format]), "debug information that was split from a library: no loader reads it")
		} else {
			r.warn(CodeUnread, few(members[format]), "libraries of a format that is not read: %s", format)
		}
	}
}
