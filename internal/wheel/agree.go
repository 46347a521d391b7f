package wheel

import (
	"slices"
	"strings"

	pep440 "github.com/aquasecurity/go-pep440-version"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// checkAgreement compares file name, .dist-info, WHEEL and METADATA with each other. Each installer trusts another of
// the four, so a wheel renamed after its build installs with one installer and fails with the next.
func (w *Wheel) checkAgreement(report *finding.List) {
	w.checkWheelFile(report)
	if report.HasAbout(finding.CodeHeaderFormat, w.DistInfo+"/METADATA") {
		return // unreadable: what it lacks follows
	}
	if w.Metadata.Name == "" || w.Metadata.Version == "" {
		report.Fail(finding.CodeHeaderFormat, w.DistInfo+"/METADATA", "it names no distribution or no version")
		return
	}
	if _, err := pep440.Parse(w.Metadata.Version); err != nil {
		report.Fail(finding.CodeVersion, w.DistInfo+"/METADATA", "%q is no version by PEP 440: installers refuse it", w.Metadata.Version)
	}
	if w.Filename.Distribution == "" {
		return
	}
	if NormalizeName(w.Metadata.Name) != NormalizeName(w.Filename.Distribution) {
		report.Fail(finding.CodeName, w.DistInfo+"/METADATA", "it is named %q, the file name says %q", w.Metadata.Name, w.Filename.Distribution)
	}
	if w.Metadata.Version != strings.ReplaceAll(w.Filename.Version, "_", "-") && w.Metadata.Version != w.Filename.Version {
		report.Fail(finding.CodeVersion, w.DistInfo+"/METADATA", "it has version %q, the file name says %q", w.Metadata.Version, w.Filename.Version)
	}
	if want := w.Filename.Distribution + "-" + w.Filename.Version + ".dist-info"; w.DistInfo != "" && NormalizeName(w.DistInfo) != NormalizeName(want) {
		report.Fail(finding.CodeDistInfo, w.DistInfo, "the file name asks for %s", want)
	}
}

func (w *Wheel) checkWheelFile(report *finding.List) {
	member := w.DistInfo + "/WHEEL"
	if report.HasAbout(finding.CodeHeaderFormat, member) {
		return
	}
	if w.Info.WheelVersion == "" {
		report.Fail(finding.CodeHeaderFormat, member, "it is missing or names no Wheel-Version")
		return
	}
	if major, _, _ := strings.Cut(w.Info.WheelVersion, "."); major != "1" {
		report.Fail(finding.CodeWheelVersion, member, "installers refuse Wheel-Version %s", w.Info.WheelVersion)
	}
	if w.Filename.Distribution == "" {
		return
	}
	if w.Info.Build != w.Filename.BuildTag {
		report.Fail(finding.CodeWheelBuild, member, "Build is %q, the file name says %q", w.Info.Build, w.Filename.BuildTag)
	}
	if !sameSet(w.Info.Tags, w.Filename.Tags()) {
		report.Fail(finding.CodeWheelTag, member, "Tag is %s, the file name says %s", list(w.Info.Tags), list(w.Filename.Tags()))
	}
}

// sameSet compares without order; duplicates count.
func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// list shows names in a message: every name if there are few.
func list(names []string) string {
	const most = 12
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
