package wheel

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

const (
	sampleName  = "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl"
	sampleInfo  = "sageattention-2.2.0.dist-info"
	libraryName = "sageattention/lib/libsageattn.so"
	fatbinName  = "sageattention/lib/sageattn.fatbin"
)

// file is a member of a wheel that a test writes.
type file struct {
	name string
	data []byte
	mode fs.FileMode
}

// sample is a wheel before it is packed; tests change it to damage it.
type sample struct {
	name     string
	files    []file
	record   string // replaces RECORD where it is set
	noRecord bool
	comment  string
}

// goodWheel is a wheel that satisfies goodExpectation.
func goodWheel(t testing.TB) *sample {
	return &sample{name: sampleName, files: []file{
		{name: "sageattention/__init__.py", data: []byte("__version__ = \"2.2.0\"\n")},
		{name: libraryName, data: wheeltest.Fixture(t, "good.so")},
		{name: fatbinName, data: wheeltest.Fixture(t, "plain.fatbin")},
		{name: sampleInfo + "/METADATA", data: []byte(sampleMetadata)},
		{name: sampleInfo + "/WHEEL", data: []byte(sampleWHEEL)},
	}}
}

const (
	sampleMetadata = "Metadata-Version: 2.4\nName: sageattention\nVersion: 2.2.0\nRequires-Python: >=3.12,<3.13\nRequires-Dist: torch==2.8.*\n\nText.\n"
	sampleWHEEL    = "Wheel-Version: 1.0\nGenerator: sagebuild\nRoot-Is-Purelib: false\nTag: cp312-cp312-linux_x86_64\nBuild: 280.129\n"
)

var (
	sm80, sm90a, sm121 = kernels.Arch{SM: matrix.SM{Major: 8}}, kernels.Arch{SM: matrix.SM{Major: 9}, Suffix: "a"}, kernels.Arch{SM: matrix.SM{Major: 12, Minor: 1}}
	sampleArchs        = []kernels.Arch{{SM: matrix.SM{Major: 7}}, sm80, sm90a, {SM: matrix.SM{Major: 10}, Suffix: "f"}, sm121}
	sampleKernels      = []string{"permute", "reverse", "scale"}
)

func goodExpectation() Expectation {
	planned := map[kernels.Arch][]string{}
	for _, arch := range sampleArchs {
		planned[arch] = slices.Clone(sampleKernels)
	}
	return Expectation{
		Filename:       sampleName,
		Distribution:   "SageAttention",
		Version:        "2.2.0",
		BuildTag:       "280.129",
		Tags:           []string{"cp312-cp312-linux_x86_64"},
		RequiresDist:   []string{"torch == 2.8.*"},
		RequiresPython: ">=3.12, <3.13",
		Members:        []string{"sageattention/__init__.py", libraryName},
		Kernels:        planned,
		PTX:            []kernels.Arch{sm121},
		GlibcFloor:     "2.17",
	}
}

// data returns the bytes of one file of the sample.
func (s *sample) data(name string) []byte { return s.files[s.index(name)].data }

// set replaces or adds a file.
func (s *sample) set(name string, data []byte) {
	if at := s.index(name); at >= 0 {
		s.files[at].data = data
		return
	}
	s.files = append(s.files, file{name: name, data: data})
}

func (s *sample) index(name string) int {
	return slices.IndexFunc(s.files, func(f file) bool { return f.name == name })
}

func (s *sample) replace(name, old, new string) {
	s.set(name, bytes.Replace(s.data(name), []byte(old), []byte(new), 1))
}

// members are the files as they are packed.
func (s *sample) members() []wheeltest.File {
	var members []wheeltest.File
	for _, f := range s.files {
		members = append(members, wheeltest.File{Name: f.name, Data: f.data, Mode: f.mode, Stored: f.name == fatbinName})
	}
	return members
}

// recordText is the RECORD that fits the files.
func (s *sample) recordText() string { return wheeltest.Record(sampleInfo, s.members()) }

// pack makes the zip file.
func (s *sample) pack(t testing.TB) []byte {
	t.Helper()
	members := s.members()
	if !s.noRecord {
		record := s.record
		if record == "" {
			record = s.recordText()
		}
		members = append(members, wheeltest.File{Name: sampleInfo + "/RECORD", Data: []byte(record)})
	}
	return wheeltest.Pack(t, s.comment, members...)
}

// write packs the sample into a directory of the test.
func (s *sample) write(t testing.TB) string {
	t.Helper()
	return writeFile(t, s.name, s.pack(t))
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// codes lists the distinct codes of the errors among findings.
func codes(list []finding.Finding) []finding.Code {
	var found []finding.Code
	for _, f := range list {
		if f.Severity == finding.Error && !slices.Contains(found, f.Code) {
			found = append(found, f.Code)
		}
	}
	slices.Sort(found)
	return found
}

func lines(list []finding.Finding) string {
	var text strings.Builder
	for _, f := range list {
		fmt.Fprintf(&text, "\n\t%s", f)
	}
	return text.String()
}
