package index

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
)

// Entry is one wheel or sdist of a site.
type Entry struct {
	Filename       string         `json:"filename"`
	Project        string         `json:"project"` // normalised by PEP 503
	Version        string         `json:"version"`
	Channel        Channel        `json:"channel"`
	RequiresPython string         `json:"requiresPython,omitempty"`
	RequiresDist   []string       `json:"requiresDist,omitempty"`
	Size           int64          `json:"size"`
	SHA256         string         `json:"sha256"`
	MetadataSHA256 string         `json:"metadataSha256,omitempty"` // "" of sdists, whose metadata a build may change
	SMs            []kernels.Arch `json:"sms,omitempty"`            // targets with machine code
	PTX            []kernels.Arch `json:"ptx,omitempty"`            // targets with PTX, which newer GPUs compile
	// ProvenanceSHA256 is the hash of the provenance object (PEP 740), "" if there is none.
	ProvenanceSHA256 string `json:"provenanceSha256,omitempty"`
	names            wheel.Filename
	provenance       []byte
}

// metadataLimit bounds METADATA, which clients load whole.
const metadataLimit = 1 << 20

// Dir is the project's directory below the site.
func (e Entry) Dir() string { return path.Join(e.Channel.Dir(), e.Project) }

// Path is the wheel's place below the site.
func (e Entry) Path() string { return path.Join(e.Dir(), e.Filename) }

// Inspect reads a wheel completely. A wheel that contradicts itself is an error of class diag.Mismatch, and so is a
// wheel whose name and dependencies do not say which torch the wheel is for.
func Inspect(file string) (Entry, error) {
	w, err := wheel.Open(file)
	var refusal *finding.Refusal
	if errors.As(err, &refusal) {
		return Entry{}, refused(file, refusal)
	}
	if err != nil {
		return Entry{}, err
	}
	for _, problem := range w.Problems {
		if problem.Severity == finding.Error {
			return Entry{}, refused(file, errors.New(strings.TrimPrefix(problem.String(), "error: ")))
		}
	}
	entry := Entry{
		Filename: w.Name, names: w.Filename, Project: wheel.NormalizeName(w.Metadata.Name), Version: w.Metadata.Version,
		RequiresPython: w.Metadata.RequiresPython, RequiresDist: w.Metadata.RequiresDist, Size: w.Size, SHA256: w.SHA256,
	}
	entry.setDevices(w)
	for _, member := range w.Members {
		if member.Name == w.DistInfo+"/METADATA" {
			entry.MetadataSHA256 = member.SHA256
		}
	}
	return entry, entry.setChannel(file)
}

func refused(file string, why error) error {
	return &diag.Error{Class: diag.Mismatch, Message: filepath.Base(file) + " is not published", Err: why, Hint: diag.Command("rm", file)}
}

// setChannel reads the build tag, and wants the dependency on torch to say the same, because only the dependency
// keeps an installer from changing torch.
func (e *Entry) setChannel(file string) (err error) {
	if e.Channel, err = ParseBuildTag(e.names.BuildTag); err != nil {
		return refused(file, err)
	}
	if e.Channel.IsUniversal() {
		return nil
	}
	for _, requirement := range e.RequiresDist {
		if strings.Join(strings.Fields(requirement), "") == e.Channel.Requirement() {
			return nil
		}
	}
	return refused(file, fmt.Errorf("its build tag %s wants Requires-Dist: %s in METADATA", e.names.BuildTag, e.Channel.Requirement()))
}

// setDevices lists each SM once.
func (e *Entry) setDevices(w *wheel.Wheel) {
	for _, one := range w.Devices() {
		switch one.Kind {
		case device.KindCubin, device.KindOldCubin:
			e.SMs = append(e.SMs, one.Arch)
		case device.KindPTX:
			e.PTX = append(e.PTX, one.Arch)
		}
	}
	e.SMs, e.PTX = slices.Compact(e.SMs), slices.Compact(e.PTX)
}

// images lists the device code of the wheel, each target once.
func (e *Entry) images() []kernels.Image {
	images := make([]kernels.Image, 0, len(e.SMs)+len(e.PTX))
	for _, arch := range e.SMs {
		images = append(images, kernels.Image{Arch: arch})
	}
	for _, arch := range e.PTX {
		images = append(images, kernels.Image{Arch: arch, PTX: true})
	}
	return images
}

// smsText lists the targets with machine code, separated by blanks.
func (e *Entry) smsText() string {
	texts := make([]string, len(e.SMs))
	for i, arch := range e.SMs {
		texts[i] = arch.String()
	}
	return strings.Join(texts, " ")
}

// metadata reads METADATA, whose bytes must be those that Inspect saw.
func (e Entry) metadata(file string) ([]byte, error) {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	for _, member := range archive.File {
		top, name, _ := strings.Cut(member.Name, "/")
		if name != "METADATA" || !strings.HasSuffix(top, ".dist-info") {
			continue
		}
		text, err := readMember(member)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", member.Name, err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != e.MetadataSHA256 {
			return nil, fmt.Errorf("%s: METADATA changed while it was read", file)
		}
		return text, nil
	}
	return nil, fmt.Errorf("%s has no METADATA", file)
}

func readMember(member *zip.File) ([]byte, error) {
	if member.UncompressedSize64 > metadataLimit {
		return nil, fmt.Errorf("larger than %d bytes", metadataLimit)
	}
	return readAll(member)
}

// readAll unpacks a member of a wheel that Inspect has accepted.
func readAll(member *zip.File) ([]byte, error) {
	r, err := member.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
