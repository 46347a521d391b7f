package wheel

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
)

// Expectation is what a plan says a wheel must be. Zero fields are not checked, except that PTX follows Kernels: with
// Kernels given, nil PTX means that the wheel holds none.
type Expectation struct {
	Filename       string                    // whole file name
	Distribution   string                    // compared after PEP 503 normalisation
	Version        string                    // exactly
	BuildTag       string                    // WHEEL's Build and the file name's part
	Tags           []string                  // expanded tags such as "cp312-cp312-linux_x86_64", in any order
	RequiresDist   []string                  // exactly these, blanks ignored
	RequiresPython string                    // exactly, blanks ignored
	Members        []string                  // files that must be there
	Kernels        map[kernels.Arch][]string // the targets that have cubins, and the kernels of each target
	PTX            []kernels.Arch            // the targets that have PTX
	GlibcFloor     string                    // highest glibc version that shared objects may need, "2.17"
	Needed         []string                  // libraries that may be linked; nil means those of glibc or Windows
	Exports        []string                  // functions that the shared objects must give, together
}

// Check reads the wheel at path and compares it with want. Everything wrong with the wheel, down to bytes that
// are no zip, is a finding; the error is for files that cannot be read at all. See Failed for the verdict.
func Check(path string, want Expectation) ([]finding.Finding, error) {
	w, err := Open(path)
	var refusal *finding.Refusal
	if errors.As(err, &refusal) {
		found := finding.List{refusal.Finding()}
		checkFilename(filepath.Base(path), want, &found)
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	return w.Check(want), nil
}

// Check returns the wheel's own problems and its deviations from want.
func (w *Wheel) Check(want Expectation) []finding.Finding {
	return append(slices.Clone(w.Problems), w.Deviations(want)...)
}

// Deviations says where the wheel differs from want.
func (w *Wheel) Deviations(want Expectation) []finding.Finding {
	var found finding.List
	checkFilename(w.Name, want, &found)
	w.checkMetadata(want, &found)
	w.checkMembers(want, &found)
	w.checkObjects(want, &found)
	w.checkDevice(want, &found)
	return found
}

func checkFilename(name string, want Expectation, report *finding.List) {
	if want.Filename != "" && name != want.Filename {
		report.Fail(finding.CodeFilename, "", "the wheel is named %s, planned is %s", name, want.Filename)
	}
}

func (w *Wheel) checkMetadata(want Expectation, report *finding.List) {
	info, metadata := w.DistInfo+"/WHEEL", w.DistInfo+"/METADATA"
	if want.BuildTag != "" && w.Info.Build != want.BuildTag {
		report.Fail(finding.CodeWheelBuild, info, "Build is %q, planned is %q", w.Info.Build, want.BuildTag)
	}
	if want.Tags != nil && !sameSet(w.Info.Tags, want.Tags) {
		report.Fail(finding.CodeWheelTag, info, "Tag is %s, planned is %s", list(w.Info.Tags), list(want.Tags))
	}
	if want.Distribution != "" && NormalizeName(w.Metadata.Name) != NormalizeName(want.Distribution) {
		report.Fail(finding.CodeName, metadata, "Name is %q, planned is %q", w.Metadata.Name, want.Distribution)
	}
	if want.Version != "" && w.Metadata.Version != want.Version {
		report.Fail(finding.CodeVersion, metadata, "Version is %q, planned is %q", w.Metadata.Version, want.Version)
	}
	if want.RequiresDist != nil && !sameSet(unspaced(w.Metadata.RequiresDist), unspaced(want.RequiresDist)) {
		report.Fail(finding.CodeRequiresDist, metadata, "Requires-Dist is %s, planned is %s", list(w.Metadata.RequiresDist), list(want.RequiresDist))
	}
	if got := unspace(w.Metadata.RequiresPython); want.RequiresPython != "" && got != unspace(want.RequiresPython) {
		report.Fail(finding.CodeRequiresPython, metadata, "Requires-Python is %q, planned is %q", got, want.RequiresPython)
	}
}

func (w *Wheel) checkMembers(want Expectation, report *finding.List) {
	for _, name := range want.Members {
		if !slices.ContainsFunc(w.Members, func(m Member) bool { return m.Name == name }) {
			report.Fail(finding.CodeMemberMissing, name, "the wheel lacks this file, which is planned")
		}
	}
}

func unspace(text string) string { return strings.Join(strings.Fields(text), "") }

func unspaced(texts []string) []string {
	plain := make([]string, len(texts))
	for i, text := range texts {
		plain[i] = unspace(text)
	}
	return plain
}
