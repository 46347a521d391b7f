package wheel

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Filename is a wheel's name taken apart by PEP 427.
type Filename struct {
	Distribution string   `json:"distribution"`
	Version      string   `json:"version"`
	BuildTag     string   `json:"buildTag,omitempty"`
	Python       []string `json:"python"`
	ABI          []string `json:"abi"`
	Platform     []string `json:"platform"`
}

var (
	distributionPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._]*[A-Za-z0-9])?$`)
	versionPattern      = regexp.MustCompile(`^[A-Za-z0-9_.!+]+$`)
	buildTagPattern     = regexp.MustCompile(`^[0-9][A-Za-z0-9_.]*$`)
	tagPattern          = regexp.MustCompile(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`)
)

// ParseFilename takes {distribution}-{version}(-{build})?-{python}-{abi}-{platform}.whl apart. The name must
// carry no directory. Every error is a *finding.Refusal with CodeFilenameFormat.
func ParseFilename(name string) (Filename, error) {
	stem, ok := strings.CutSuffix(name, ".whl")
	if !ok || len(name) > 255 {
		return Filename{}, finding.Refuse(finding.CodeFilenameFormat, "", "%q is no wheel name: it must end in .whl and have at most 255 bytes", name)
	}
	parts := strings.Split(stem, "-")
	if len(parts) != 5 && len(parts) != 6 {
		return Filename{}, finding.Refuse(finding.CodeFilenameFormat, "", "%q has %s between dashes, a wheel name has 5 or 6", name, ui.Count(len(parts), "part"))
	}
	parsed := Filename{Distribution: parts[0], Version: parts[1]}
	if len(parts) == 6 {
		parsed.BuildTag = parts[2]
		if !buildTagPattern.MatchString(parsed.BuildTag) {
			return Filename{}, finding.Refuse(finding.CodeFilenameFormat, "", "build tag %q must begin with a digit", parsed.BuildTag)
		}
	}
	return parsed, parsed.setTags(name, parts[len(parts)-3:])
}

func (f *Filename) setTags(name string, tags []string) error {
	if !distributionPattern.MatchString(f.Distribution) || !versionPattern.MatchString(f.Version) {
		return finding.Refuse(finding.CodeFilenameFormat, "", "%q has a malformed distribution or version", name)
	}
	for _, tag := range tags {
		if !tagPattern.MatchString(tag) {
			return finding.Refuse(finding.CodeFilenameFormat, "", "%q has a malformed tag %q", name, tag)
		}
	}
	f.Python, f.ABI, f.Platform = strings.Split(tags[0], "."), strings.Split(tags[1], "."), strings.Split(tags[2], ".")
	return nil
}

// String puts the name together again.
func (f Filename) String() string {
	build := ""
	if f.BuildTag != "" {
		build = "-" + f.BuildTag
	}
	return fmt.Sprintf("%s-%s%s-%s.whl", f.Distribution, f.Version, build, f.CompressedTag())
}

// CompressedTag is the tag triple as the file name has it.
func (f Filename) CompressedTag() string {
	return strings.Join(f.Python, ".") + "-" + strings.Join(f.ABI, ".") + "-" + strings.Join(f.Platform, ".")
}

// Tags expands the compressed tag sets, in the order in which WHEEL lists them.
func (f Filename) Tags() []string {
	var tags []string
	for _, python := range f.Python {
		for _, abi := range f.ABI {
			for _, platform := range f.Platform {
				tags = append(tags, python+"-"+abi+"-"+platform)
			}
		}
	}
	return tags
}

// NormalizeName applies PEP 503: lower case, and each run of "-", "_" and "." is one dash.
func NormalizeName(name string) string {
	return strings.ToLower(nameSeparators.ReplaceAllString(name, "-"))
}

var nameSeparators = regexp.MustCompile(`[-_.]+`)
