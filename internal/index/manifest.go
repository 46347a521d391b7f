package index

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
)

// ManifestFile lists all wheels of a site, at its root.
const ManifestFile = "wheels.json"

// manifestFormat rises when the manifest gains facts; the wheels of an older manifest are then read anew.
const manifestFormat = 1

// Manifest is the content of ManifestFile.
type Manifest struct {
	Format int     `json:"format"`
	Wheels []Entry `json:"wheels"`
	Sdists []Entry `json:"sdists,omitempty"`
}

// ParseManifest reads a manifest and checks whatever becomes a path, a link, part of a command or a line on a
// terminal.
func ParseManifest(text []byte) (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, err
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("it has format %d, this sagebuild knows format %d", m.Format, manifestFormat)
	}
	for i := range m.Wheels {
		if err := m.Wheels[i].check(); err != nil {
			return nil, fmt.Errorf("wheel %d: %w", i, err)
		}
	}
	for i := range m.Sdists {
		if err := errors.Join(m.Sdists[i].checkSdist(), m.Sdists[i].checkTexts()); err != nil {
			return nil, fmt.Errorf("sdist %d: %w", i, err)
		}
	}
	return m, nil
}

// newManifest is the manifest of a site with these files.
func newManifest(entries []Entry) *Manifest {
	m := &Manifest{Format: manifestFormat}
	for _, entry := range entries {
		if entry.IsSdist() {
			m.Sdists = append(m.Sdists, entry)
		} else {
			m.Wheels = append(m.Wheels, entry)
		}
	}
	return m
}

// entries are all files of the site.
func (m *Manifest) entries() []Entry { return slices.Concat(m.Wheels, m.Sdists) }

func (e *Entry) check() (err error) {
	if e.names, err = wheel.ParseFilename(e.Filename); err != nil {
		return err
	}
	channel, err := ParseBuildTag(e.names.BuildTag)
	if err != nil {
		return err
	}
	switch {
	case channel != e.Channel:
		return fmt.Errorf("%s is not for its channel %s", e.Filename, e.Channel.Dir())
	case e.Project != wheel.NormalizeName(e.names.Distribution):
		return fmt.Errorf("%s does not belong to project %q", e.Filename, e.Project)
	case strings.ReplaceAll(e.Version, "-", "_") != e.names.Version:
		return fmt.Errorf("%s does not have version %q", e.Filename, e.Version)
	case !isSHA256(e.MetadataSHA256):
		return fmt.Errorf("%s has a malformed hash of its metadata", e.Filename)
	}
	return e.checkTexts()
}

// checkTexts is about what wheels and sdists have in common.
func (e *Entry) checkTexts() error {
	if !isSHA256(e.SHA256) || e.ProvenanceSHA256 != "" && !isSHA256(e.ProvenanceSHA256) || e.Size < 0 {
		return fmt.Errorf("%s has a malformed hash or size", e.Filename)
	}
	for _, text := range append(slices.Clone(e.RequiresDist), e.RequiresPython) {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("%s has control characters in its requirements", e.Filename)
		}
	}
	return nil
}

func isSHA256(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == 32
}

// ReadManifest reads the site at dir. A missing or empty directory gives an empty manifest. ReadManifest refuses a
// directory that holds something else, because publishing replaces the directory.
func ReadManifest(dir string) (*Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &Manifest{Format: manifestFormat}, checkEmpty(dir)
	}
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(text)
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: "reading " + filepath.Join(dir, ManifestFile), Err: err,
			Hint: diag.Command("rm", "-r", dir) + ", then sagebuild index again"}
	}
	return m, nil
}

func checkEmpty(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(files) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return diag.Usagef("sagebuild index --output DIR", "%s is not empty and holds no %s: it is no site of sagebuild", dir, ManifestFile)
}

// find returns the entry of a file name.
func (m *Manifest) find(filename string) (Entry, bool) {
	all := m.entries()
	at := slices.IndexFunc(all, func(e Entry) bool { return e.Filename == filename })
	if at < 0 {
		return Entry{}, false
	}
	return all[at], true
}
