package wheel

import (
	"bytes"
	"encoding/json"
	"errors"
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

func TestCheckAcceptsWhatIsPlanned(t *testing.T) {
	found, err := Check(goodWheel(t).write(t), goodExpectation())
	if err != nil || len(found) != 0 {
		t.Fatalf("findings %v, error %v", lines(found), err)
	}
}

// TestCheckReportsDamage damages one wheel in every way and wants exactly the codes of the damage.
func TestCheckReportsDamage(t *testing.T) {
	wheelFile, metadata := sampleInfo+"/WHEEL", sampleInfo+"/METADATA"
	cases := []struct {
		name   string
		damage func(t *testing.T, s *sample)
		want   []finding.Code
	}{
		{"broken RECORD hash", func(t *testing.T, s *sample) {
			record := s.recordText()
			s.set("sageattention/__init__.py", []byte("__version__ = \"2.2.1\"\n"))
			s.record = record
		}, []finding.Code{finding.CodeRecordHash}},
		{"broken RECORD size", func(t *testing.T, s *sample) {
			s.record = strings.Replace(s.recordText(), ",22\n", ",23\n", 1)
		}, []finding.Code{finding.CodeRecordSize}},
		{"weak RECORD hash", func(t *testing.T, s *sample) {
			s.record = strings.Replace(s.recordText(), "sha256=", "md5=", 1)
		}, []finding.Code{finding.CodeRecordHash}},
		{"RECORD without a hash", func(t *testing.T, s *sample) {
			_, rest, _ := strings.Cut(s.recordText(), "\n")
			s.record = "sageattention/__init__.py,,\n" + rest
		}, []finding.Code{finding.CodeRecordHash}},
		{"file that RECORD does not list", func(t *testing.T, s *sample) {
			s.record = s.recordText()
			s.set("sageattention/extra.py", nil)
		}, []finding.Code{finding.CodeRecordUnlisted}},
		{"RECORD lists a file that is not there", func(t *testing.T, s *sample) {
			s.record = s.recordText() + "sageattention/gone.py,,\n"
		}, []finding.Code{finding.CodeRecordAbsent}},
		{"RECORD lists a file twice", func(t *testing.T, s *sample) {
			first, _, _ := strings.Cut(s.recordText(), "\n")
			s.record = s.recordText() + first + "\n"
		}, []finding.Code{finding.CodeRecordDuplicate}},
		{"RECORD is no CSV", func(t *testing.T, s *sample) { s.record = "a\n" }, []finding.Code{finding.CodeRecordFormat}},
		{"no RECORD", func(t *testing.T, s *sample) { s.noRecord = true }, []finding.Code{finding.CodeRecordMissing}},

		{"another file name", func(t *testing.T, s *sample) {
			s.name = strings.Replace(s.name, "280.129", "270.128", 1)
		}, []finding.Code{finding.CodeFilename, finding.CodeWheelBuild}},
		{"no wheel's file name", func(t *testing.T, s *sample) { s.name = "sageattention.whl" }, []finding.Code{finding.CodeFilename, finding.CodeFilenameFormat}},
		{"wrong Build", func(t *testing.T, s *sample) { s.replace(wheelFile, "280.129", "280.128") }, []finding.Code{finding.CodeWheelBuild}},
		{"no Build", func(t *testing.T, s *sample) { s.replace(wheelFile, "Build: 280.129\n", "") }, []finding.Code{finding.CodeWheelBuild}},
		{"wrong Tag", func(t *testing.T, s *sample) { s.replace(wheelFile, "cp312-linux", "abi3-linux") }, []finding.Code{finding.CodeWheelTag}},
		{"Wheel-Version of the future", func(t *testing.T, s *sample) { s.replace(wheelFile, "1.0", "2.0") }, []finding.Code{finding.CodeWheelVersion}},
		{"WHEEL is no header", func(t *testing.T, s *sample) { s.set(wheelFile, []byte("x\n")) }, []finding.Code{finding.CodeHeaderFormat, finding.CodeWheelBuild, finding.CodeWheelTag}},
		{"wrong name", func(t *testing.T, s *sample) { s.replace(metadata, "Name: sage", "Name: rage") }, []finding.Code{finding.CodeName}},
		{"wrong version", func(t *testing.T, s *sample) { s.replace(metadata, "Version: 2.2.0", "Version: 2.2.1") }, []finding.Code{finding.CodeVersion}},
		{"wrong Requires-Dist", func(t *testing.T, s *sample) { s.replace(metadata, "torch==2.8.*", "torch==2.7.*") }, []finding.Code{finding.CodeRequiresDist}},
		{"one Requires-Dist more", func(t *testing.T, s *sample) {
			s.replace(metadata, "Requires-Dist", "Requires-Dist: numpy\nRequires-Dist")
		}, []finding.Code{finding.CodeRequiresDist}},
		{"wrong Requires-Python", func(t *testing.T, s *sample) { s.replace(metadata, ">=3.12", ">=3.11") }, []finding.Code{finding.CodeRequiresPython}},
		{"no library", func(t *testing.T, s *sample) {
			s.files = slices.Delete(s.files, s.index(libraryName), s.index(libraryName)+1)
		}, []finding.Code{finding.CodeMemberMissing}},
		{"two .dist-info directories", func(t *testing.T, s *sample) { s.set("other-1.dist-info/METADATA", nil) }, []finding.Code{finding.CodeDistInfo}},

		{"missing kernel", func(t *testing.T, s *sample) {
			s.replace(fatbinName, "\x00permute\x00", "\x00permuta\x00")
		}, []finding.Code{finding.CodeKernelMissing}},
		{"cut fatbin", func(t *testing.T, s *sample) {
			s.set(fatbinName, s.data(fatbinName)[:20000])
		}, []finding.Code{finding.CodeFatbinFormat, finding.CodePTXMissing, finding.CodeSMMissing}},
		{"empty fatbin", func(t *testing.T, s *sample) { s.set(fatbinName, nil) }, []finding.Code{finding.CodeFatbinFormat, finding.CodePTXMissing, finding.CodeSMMissing}},
		{"text instead of a fatbin", func(t *testing.T, s *sample) {
			s.set(fatbinName, []byte("version https://example.org"))
		}, []finding.Code{finding.CodeFatbinFormat, finding.CodePTXMissing, finding.CodeSMMissing}},
		{"same cubins twice", func(t *testing.T, s *sample) {
			s.set(fatbinName, bytes.Repeat(s.data(fatbinName), 2))
		}, []finding.Code{finding.CodeSMDuplicate}},
		{"cubin of another SM than its entry", func(t *testing.T, s *sample) {
			data := slices.Clone(s.data(fatbinName))
			data[16+28] = 75
			s.set(fatbinName, data)
		}, []finding.Code{finding.CodeCubinArch, finding.CodeSMExtra, finding.CodeSMMissing}},
		{"cubin overwritten", func(t *testing.T, s *sample) {
			data := slices.Clone(s.data(fatbinName))
			copy(data[16+80:], make([]byte, 64))
			s.set(fatbinName, data)
		}, []finding.Code{finding.CodeCubinFormat, finding.CodeKernelMissing}},

		{"newer glibc", func(t *testing.T, s *sample) { s.set(libraryName, wheeltest.Fixture(t, "new_glibc.so")) }, []finding.Code{finding.CodeGlibcFloor}},
		{"symbols and run path", func(t *testing.T, s *sample) { s.set(libraryName, wheeltest.Fixture(t, "symbols.so")) }, []finding.Code{finding.CodeRPath, finding.CodeUnstripped}},
		{"another library", func(t *testing.T, s *sample) {
			s.replace(libraryName, "libm.so.6", "libz.so.6")
		}, []finding.Code{finding.CodeNeeded}},
		{"object without sections", func(t *testing.T, s *sample) {
			data := slices.Clone(s.data(libraryName))
			copy(data[40:48], make([]byte, 8))
			copy(data[60:64], make([]byte, 4))
			s.set(libraryName, data)
		}, []finding.Code{finding.CodeObjectFormat}},
		{"cut object", func(t *testing.T, s *sample) { s.set(libraryName, s.data(libraryName)[:1000]) }, []finding.Code{finding.CodeObjectFormat}},
		{"text instead of an object", func(t *testing.T, s *sample) { s.set(libraryName, []byte("x")) }, []finding.Code{finding.CodeObjectFormat}},

		{"path escape", func(t *testing.T, s *sample) { s.set("../evil.py", nil) }, []finding.Code{finding.CodeZipPath}},
		{"absolute path", func(t *testing.T, s *sample) { s.set("/etc/evil", nil) }, []finding.Code{finding.CodeZipPath}},
		{"backslash", func(t *testing.T, s *sample) { s.set(`..\evil.py`, nil) }, []finding.Code{finding.CodeZipPath}},
		{"drive", func(t *testing.T, s *sample) { s.set("C:evil.py", nil) }, []finding.Code{finding.CodeZipPath}},
		{"symbolic link", func(t *testing.T, s *sample) {
			s.files = append(s.files, file{"sageattention/link", []byte("/etc"), os.ModeSymlink})
		}, []finding.Code{finding.CodeZipSpecial}},
		{"duplicate name", func(t *testing.T, s *sample) { s.files = append(s.files, s.files[0]) }, []finding.Code{finding.CodeZipDuplicate}},
		{"names that differ in case", func(t *testing.T, s *sample) { s.set("SageAttention/__init__.py", nil) }, []finding.Code{finding.CodeZipDuplicate}},
		{"file and directory", func(t *testing.T, s *sample) { s.set("sageattention/__init__.py/x", nil) }, []finding.Code{finding.CodeZipDuplicate}},
		{"zip bomb", func(t *testing.T, s *sample) { s.set("zeros.py", make([]byte, 64<<20)) }, []finding.Code{finding.CodeZipBomb}},
		{"zip comment", func(t *testing.T, s *sample) { s.comment = "hello" }, []finding.Code{finding.CodeZipHidden}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := goodWheel(t)
			c.damage(t, s)
			found, err := Check(s.write(t), goodExpectation())
			if err != nil {
				t.Fatal(err)
			}
			if got := codes(found); !slices.Equal(got, c.want) {
				t.Errorf("codes %v, want %v%s", got, c.want, lines(found))
			}
		})
	}
}

// TestCheckComparesWithThePlan leaves the wheel and changes the plan.
func TestCheckComparesWithThePlan(t *testing.T) {
	cases := []struct {
		name   string
		change func(want *Expectation)
		codes  []finding.Code
		text   string
	}{
		{"missing SM", func(w *Expectation) { w.Kernels[kernels.Arch{SM: matrix.SM{Major: 8, Minor: 9}}] = nil }, []finding.Code{finding.CodeSMMissing}, "8.9"},
		{"extra SM", func(w *Expectation) { delete(w.Kernels, sampleArchs[0]) }, []finding.Code{finding.CodeSMExtra}, "7.0"},
		{"no SM at all", func(w *Expectation) { w.Kernels = map[kernels.Arch][]string{} }, []finding.Code{finding.CodeSMExtra}, "12.1"},
		{"plain instead of specific", func(w *Expectation) { w.move(sm90a, kernels.Arch{SM: sm90a.SM}) }, []finding.Code{finding.CodeSMExtra, finding.CodeSMMissing}, "9.0a"},
		{"specific instead of plain", func(w *Expectation) { w.move(sm80, kernels.Arch{SM: sm80.SM, Suffix: "a"}) }, []finding.Code{finding.CodeSMExtra, finding.CodeSMMissing}, "8.0a"},
		{"specific beside plain", func(w *Expectation) { w.Kernels[kernels.Arch{SM: sm80.SM, Suffix: "a"}] = nil }, []finding.Code{finding.CodeSMMissing}, "8.0a"},
		{"missing PTX", func(w *Expectation) { w.PTX = []kernels.Arch{{SM: sm90a.SM}} }, []finding.Code{finding.CodePTXExtra, finding.CodePTXMissing}, "12.1"},
		{"extra PTX", func(w *Expectation) { w.PTX = nil }, []finding.Code{finding.CodePTXExtra}, "12.1"},
		{"missing kernel", func(w *Expectation) { w.Kernels[sm80] = append(w.Kernels[sm80], "attention") }, []finding.Code{finding.CodeKernelMissing}, "attention"},
		{"glibc", func(w *Expectation) { w.GlibcFloor = "2.2.4" }, []finding.Code{finding.CodeGlibcFloor}, "2.2.5"},
		{"library", func(w *Expectation) { w.Needed = []string{"libc.so.6"} }, []finding.Code{finding.CodeNeeded}, "libm.so.6"},
		{"build tag", func(w *Expectation) { w.BuildTag = "270.128" }, []finding.Code{finding.CodeWheelBuild}, "280.129"},
		{"tags", func(w *Expectation) { w.Tags = []string{"py3-none-any"} }, []finding.Code{finding.CodeWheelTag}, "py3-none-any"},
	}
	path := goodWheel(t).write(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want := goodExpectation()
			c.change(&want)
			found, err := Check(path, want)
			if err != nil || !slices.Equal(codes(found), c.codes) || !strings.Contains(lines(found), c.text) {
				t.Errorf("codes %v, want %v with %q, error %v%s", codes(found), c.codes, c.text, err, lines(found))
			}
		})
	}
}

// move plans the kernels of one target for another.
func (want *Expectation) move(from, to kernels.Arch) {
	want.Kernels[to] = want.Kernels[from]
	delete(want.Kernels, from)
}

func TestCheckWarnsOfUnplannedKernels(t *testing.T) {
	want := goodExpectation()
	want.Kernels[sm80] = []string{"scale"}
	found, err := Check(goodWheel(t).write(t), want)
	if err != nil || len(found) != 1 || found[0].Severity == finding.Error || found[0].Code != finding.CodeKernelExtra {
		t.Fatalf("findings %v, error %v", lines(found), err)
	}
}

// TestCheckTruncated cuts a wheel and wants a finding every time, never an error.
func TestCheckTruncated(t *testing.T) {
	data := goodWheel(t).pack(t)
	for length := 0; length < len(data); length += 997 {
		found, err := Check(writeFile(t, sampleName, data[:length]), Expectation{})
		if err != nil || !slices.Equal(codes(found), []finding.Code{finding.CodeZipFormat}) {
			t.Fatalf("cut to %d bytes: %v, error %v", length, lines(found), err)
		}
	}
}

// TestReadTruncated cuts a small wheel at every length.
func TestReadTruncated(t *testing.T) {
	data := goodWheelSmall(t).pack(t)
	for length := range data {
		_, err := Read(bytes.NewReader(data[:length]), int64(length), sampleName)
		var refusal *finding.Refusal
		if !errors.As(err, &refusal) || refusal.Code != finding.CodeZipFormat {
			t.Fatalf("cut to %d bytes: error %v", length, err)
		}
	}
}

func TestCheckWithoutFile(t *testing.T) {
	if _, err := Check(filepath.Join(t.TempDir(), sampleName), Expectation{}); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
	if _, err := Check(t.TempDir(), Expectation{}); err == nil {
		t.Error("a directory is no wheel")
	}
}

func TestOpenDescribesTheWheel(t *testing.T) {
	w, err := Open(goodWheel(t).write(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Problems) != 0 || len(w.Members) != 6 || len(w.Objects) != 1 || len(w.Fatbins) != 1 {
		t.Errorf("%d members, %d objects, %d fatbins, problems %s", len(w.Members), len(w.Objects), len(w.Fatbins), lines(w.Problems))
	}
	text, err := json.Marshal(w)
	if err != nil || !bytes.Contains(text, []byte(`"arch":"9.0a"`)) {
		t.Errorf("JSON %s, error %v", text, err)
	}
}
