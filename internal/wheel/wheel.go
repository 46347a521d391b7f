package wheel

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// Wheel is what a wheel says about itself and what its bytes show.
type Wheel struct {
	Path     string            `json:"path"`
	Name     string            `json:"name"` // the file name
	Size     int64             `json:"size"`
	SHA256   string            `json:"sha256"`
	Filename Filename          `json:"filename"`
	DistInfo string            `json:"distInfo"`
	Info     Info              `json:"wheel"`
	Metadata Metadata          `json:"metadata"`
	Members  []Member          `json:"members"`
	Objects  []object.Object   `json:"objects,omitempty"`
	Foreign  []object.Foreign  `json:"foreign,omitempty"` // libraries in formats that are not read
	Fatbins  []device.Fatbin   `json:"fatbins,omitempty"`
	Cubins   []device.Cubin    `json:"cubins,omitempty"` // standalone cubin files
	Compiled *Compiled         `json:"compiled,omitempty"`
	Problems []finding.Finding `json:"problems,omitempty"`
	budget   *content.Budget
	images   map[string][]imageSum // of fatbins, by member, where Compiled is there to be compared with
}

// Member is one file of the wheel.
type Member struct {
	Name       string `json:"name"`
	Size       int64  `json:"size"`
	Compressed int64  `json:"compressed"`
	SHA256     string `json:"sha256"`
	sum        [sha256.Size]byte
}

// Open reads the wheel at path. The error is a *finding.Refusal where the bytes are refused as a whole: no zip, a
// zip bomb, a path that escapes. Whatever else is wrong stands in Problems.
func Open(path string) (*Wheel, error) {
	file, size, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	w, err := Read(file, size, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	w.Path = path
	return w, nil
}

// OpenFile opens a regular file, and returns its size. To open a pipe would wait for somebody who writes into it.
func OpenFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is not a file")}
	}
	file, err := os.Open(path)
	return file, info.Size(), err
}

// Read is Open for bytes that are already at hand; name is the wheel's file name.
func Read(r io.ReaderAt, size int64, name string) (*Wheel, error) {
	archive, err := readArchive(r, size)
	if err != nil {
		return nil, err
	}
	w := &Wheel{Path: name, Name: name, Size: size, budget: content.NewBudget(), images: map[string][]imageSum{}}
	problems := append(finding.List(nil), archive.hidden...)
	if w.Filename, err = ParseFilename(name); err != nil {
		problems = append(problems, finding.Of(err, finding.CodeFilenameFormat, ""))
	}
	sum := make(chan error, 1) // beside the members, which take longer
	go func() {
		var err error
		w.SHA256, err = hashAll(r, size)
		sum <- err
	}()
	err = w.inspect(archive, &problems)
	if err := cmp.Or(<-sum, err); err != nil {
		return nil, err
	}
	w.checkAgreement(&problems)
	w.checkCompiled(archive, &problems)
	w.Problems = problems
	return w, nil
}

func hashAll(r io.ReaderAt, size int64) (string, error) {
	hash := sha256.New()
	_, err := io.Copy(hash, io.NewSectionReader(r, 0, size))
	return hex.EncodeToString(hash.Sum(nil)), err
}

// inspect unpacks every member once: hashes it, and reads those that hold metadata or device code.
func (w *Wheel) inspect(a *archive, problems *finding.List) error {
	w.findDistInfo(a, problems)
	var record []byte
	for _, r := range w.readMembers(a) {
		if r.err != nil {
			return r.err
		}
		w.join(r)
		*problems = append(*problems, r.problems...)
		if r.record != nil {
			record = r.record
		}
	}
	if record == nil {
		problems.Fail(finding.CodeRecordMissing, "", "the wheel has no RECORD")
		return nil
	}
	entries, err := ParseRecord(record)
	if err != nil {
		*problems = append(*problems, finding.Of(err, finding.CodeRecordFormat, w.DistInfo+"/RECORD"))
		return nil
	}
	return w.checkRecord(a, entries, problems)
}

// findDistInfo picks the one top-level *.dist-info directory.
func (w *Wheel) findDistInfo(a *archive, problems *finding.List) {
	for _, m := range a.members {
		top, _, nested := strings.Cut(m.name, "/")
		if !nested || !strings.HasSuffix(top, ".dist-info") || top == w.DistInfo {
			continue
		}
		if w.DistInfo != "" {
			problems.Fail(finding.CodeDistInfo, "", "the wheel has two .dist-info directories, %s and %s", w.DistInfo, top)
			continue
		}
		w.DistInfo = top
	}
	if w.DistInfo == "" {
		problems.Fail(finding.CodeDistInfo, "", "the wheel has no .dist-info directory")
	}
}
