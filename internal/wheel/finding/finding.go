// Package finding is what readers of wheels report: findings with a code and a severity, and the refusal of bytes
// that no reader takes.
package finding

import (
	"errors"
	"fmt"
	"slices"
)

// Severity says how bad a finding is.
type Severity string

const (
	Error   Severity = "error"   // the wheel must not be published
	Warning Severity = "warning" // the wheel works, but not as planned
)

// Code names a kind of finding; the text is stable, for scripts and tests.
type Code string

const (
	CodeZipFormat    Code = "zip-format"      // not a readable zip, or cut short
	CodeZipLimit     Code = "zip-limit"       // more members or bytes than a wheel may have
	CodeZipBomb      Code = "zip-bomb"        // unpacks to far more than it holds, or overlaps
	CodeZipPath      Code = "zip-path"        // a name that leaves the directory or reads differently elsewhere
	CodeZipDuplicate Code = "zip-duplicate"   // two members of one name
	CodeZipSpecial   Code = "zip-special"     // a symbolic link, device or encrypted member
	CodeZipMismatch  Code = "zip-mismatch"    // local header and central directory disagree
	CodeZipHidden    Code = "zip-hidden-data" // bytes that belong to no member
	CodeZipChecksum  Code = "zip-checksum"    // CRC or length of a member is wrong

	CodeFilenameFormat Code = "filename-format" // not a PEP 427 name
	CodeFilename       Code = "filename"        // not the planned name
	CodeDistInfo       Code = "dist-info"       // the .dist-info directory is missing, ambiguous or misnamed
	CodeHeaderFormat   Code = "header-format"   // WHEEL or METADATA cannot be read
	CodeWheelVersion   Code = "wheel-version"   // a Wheel-Version that installers refuse
	CodeWheelBuild     Code = "wheel-build"     // Build differs from the file name or the plan
	CodeWheelTag       Code = "wheel-tag"       // Tag differs from the file name or the plan
	CodeName           Code = "metadata-name"
	CodeVersion        Code = "metadata-version"
	CodeRequiresDist   Code = "requires-dist"
	CodeRequiresPython Code = "requires-python"

	CodeRecordMissing   Code = "record-missing"   // no RECORD
	CodeRecordFormat    Code = "record-format"    // RECORD cannot be read
	CodeRecordUnlisted  Code = "record-unlisted"  // a member that RECORD does not list
	CodeRecordAbsent    Code = "record-absent"    // a listed file that is not there
	CodeRecordHash      Code = "record-hash"      // SHA-256 differs, is missing or is another algorithm
	CodeRecordSize      Code = "record-size"      // size differs
	CodeRecordDuplicate Code = "record-duplicate" // a file listed twice

	CodeCompiled Code = "compiled" // native code that is not what the build compiled, by its own record

	CodeMemberMissing Code = "member-missing" // a planned file is not there

	CodeObjectFormat Code = "object-format" // a shared object that cannot be read
	CodeGlibcFloor   Code = "glibc-floor"   // needs a newer glibc than planned
	CodeNeeded       Code = "needed"        // links a library that is not allowed
	CodeRPath        Code = "rpath"         // carries RPATH or RUNPATH
	CodeUnstripped   Code = "unstripped"    // carries a symbol table or debug information
	CodeMachine      Code = "machine"       // is for another system or machine than the platform tag says
	CodeExport       Code = "export"        // a planned function is not exported
	CodeBuildPath    Code = "build-path"    // names a directory of the machine it was linked on
	CodeTimestamp    Code = "timestamp"     // says when it was linked, so that no second build is the same

	CodeFatbinFormat  Code = "fatbin-format"  // a fatbin that cannot be read
	CodeCubinFormat   Code = "cubin-format"   // a cubin that cannot be read
	CodeCubinArch     Code = "cubin-arch"     // a cubin is for another SM than its fatbin entry says
	CodeSMMissing     Code = "sm-missing"     // a planned SM has no cubin
	CodeSMExtra       Code = "sm-extra"       // a cubin for an SM that is not planned
	CodeSMDuplicate   Code = "sm-duplicate"   // two cubins of one SM in one fatbin, or with one kernel
	CodePTXMissing    Code = "ptx-missing"    // the planned PTX is not there
	CodePTXExtra      Code = "ptx-extra"      // PTX that is not planned
	CodeKernelMissing Code = "kernel-missing" // a cubin lacks a planned kernel
	CodeKernelExtra   Code = "kernel-extra"   // a cubin has an unplanned kernel
)

// Finding is one thing wrong with a wheel.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Message  string   `json:"message"`
	Member   string   `json:"member,omitempty"` // the file inside the wheel, empty for the wheel itself
}

// String returns one line: severity, member and message.
func (f Finding) String() string {
	if f.Member == "" {
		return fmt.Sprintf("%s: %s [%s]", f.Severity, f.Message, f.Code)
	}
	return fmt.Sprintf("%s: %s: %s [%s]", f.Severity, f.Member, f.Message, f.Code)
}

// Refusal says why bytes were refused. Open returns it for a wheel that cannot be read safely.
type Refusal struct {
	Code    Code
	Member  string
	Message string
	cause   error
}

// Unwrap is the error of a reader that Message quotes, or nil.
func (e *Refusal) Unwrap() error { return e.cause }

func (e *Refusal) Error() string {
	if e.Member == "" {
		return e.Message
	}
	return e.Member + ": " + e.Message
}

// Finding turns a refusal into the finding that Check reports.
func (e *Refusal) Finding() Finding {
	return Finding{Severity: Error, Code: e.Code, Message: e.Message, Member: e.Member}
}

// Refuse is a Refusal of a member; fmt.Errorf makes the message and the cause from format and args.
func Refuse(code Code, member, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Refusal{Code: code, Member: member, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Of reports err as a finding about member. An error that is no refusal gets the code given.
func Of(err error, code Code, member string) Finding {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		found := refusal.Finding()
		if found.Member == "" {
			found.Member = member
		}
		return found
	}
	return Finding{Severity: Error, Code: code, Message: err.Error(), Member: member}
}

// List collects what checks report.
type List []Finding

func (f *List) Fail(code Code, member, format string, args ...any) {
	*f = append(*f, Finding{Error, code, fmt.Sprintf(format, args...), member})
}

// Has reports whether a finding has the code.
func (f *List) Has(code Code) bool {
	return slices.ContainsFunc(*f, func(one Finding) bool { return one.Code == code })
}

// HasAbout reports whether a finding about the member has the code.
func (f *List) HasAbout(code Code, member string) bool {
	return slices.ContainsFunc(*f, func(one Finding) bool { return one.Code == code && one.Member == member })
}

func (f *List) Warn(code Code, member, format string, args ...any) {
	*f = append(*f, Finding{Warning, code, fmt.Sprintf(format, args...), member})
}
