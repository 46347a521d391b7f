package wheel

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// text is a difference in a line for each member and part.
func (d *ByteDifference) text() string {
	var lines []string
	for _, m := range d.Members {
		lines = append(lines, fmt.Sprintf("%s %d %d %s", strings.TrimPrefix(m.Name, sampleInfo+"/"), m.A, m.B, strings.Join(m.Header, ", ")))
		for _, p := range m.Parts {
			lines = append(lines, fmt.Sprintf("  %s %d %d @%d", p.Name, p.A, p.B, p.At))
		}
	}
	return strings.Join(append(lines, d.Archive...), "\n")
}

func compare(t *testing.T, a, b []byte) *ByteDifference {
	t.Helper()
	d, err := CompareBytes(writeFile(t, sampleName, a), writeFile(t, sampleName, b))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// section finds where a section's bytes lie in an ELF file of the fixtures.
func sectionOf(t *testing.T, data []byte, name string) (offset, size uint64) {
	t.Helper()
	i, err := elffile.Read(content.Of(data), finding.CodeObjectFormat)
	if err != nil {
		t.Fatal(err)
	}
	s := i.Named(name)
	if s == nil {
		t.Fatalf("no section %s", name)
	}
	return s.Offset, s.Size
}

func TestCompareTellsMembersAndSections(t *testing.T) {
	good := goodWheel(t)
	text, size := sectionOf(t, good.data(libraryName), ".dynstr")
	changed := func(change func(s *sample)) []byte {
		s := goodWheel(t)
		s.files = slices.Clone(s.files)
		for i := range s.files {
			s.files[i].data = slices.Clone(s.files[i].data)
		}
		change(s)
		return s.pack(t)
	}
	for _, test := range []struct {
		name   string
		change func(s *sample)
		want   []string // parts of the text, in order
		count  int      // members that differ, RECORD among them
	}{
		{"nothing", func(*sample) {}, nil, 0},
		{"a line", func(s *sample) { s.set("sageattention/__init__.py", []byte("__version__ = \"2.2.0\"\nx = 1\n")) },
			[]string{"sageattention/__init__.py 22 28 ", "  line 2 22 28 @22", "RECORD", "  line 1 "}, 2},
		{"a section", func(s *sample) { s.data(libraryName)[text+3] ^= 1 },
			[]string{fmt.Sprintf("  .dynstr %d %d @3", size, size), "RECORD"}, 2},
		{"a member more", func(s *sample) { s.set("sageattention/new.py", nil) }, []string{"RECORD", "sageattention/new.py -1 0 "}, 2},
		{"a header", func(s *sample) { s.files[0].mode = 0o755 }, []string{"mode -rw-r--r--, -rwxr-xr-x"}, 1},
		{"the order", func(s *sample) { s.files[0], s.files[1] = s.files[1], s.files[0]; s.record = goodWheel(t).recordText() },
			[]string{"another order"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := compare(t, good.pack(t), changed(test.change))
			got := d.text()
			if d.Identical() != (test.want == nil) || len(d.Members) != test.count {
				t.Errorf("%d members differ, want %d:\n%s", len(d.Members), test.count, got)
			}
			rest := got
			for _, want := range test.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("no %q in order in:\n%s", want, got)
				}
				rest = after
			}
		})
	}
}

// Every cubin of the fixture is changed in the code of one kernel, and found there and nowhere else.
func TestCompareLooksIntoCubins(t *testing.T) {
	s := goodWheel(t)
	before := s.pack(t)
	data := slices.Clone(s.data(fatbinName))
	fatbins, err := device.ParseFatbins(content.Of(data), content.NewBudget())
	if err != nil || len(fatbins) != 1 {
		t.Fatalf("%v, %v", fatbins, err)
	}
	var want []string
	for _, p := range device.Pieces(content.Of(data), content.NewBudget()) {
		kind, _, _ := strings.Cut(p.Name, " ")
		if kind != string(device.KindCubin) {
			continue
		}
		code, _ := p.Bytes(p.Size)
		offset, _ := sectionOf(t, code, ".text.scale")
		at := bytes.Index(data, code)
		data[at+int(offset)+16] ^= 1
		want = append(want, p.Name+" / .text.scale")
	}
	if len(want) < 3 {
		t.Fatalf("the fixture has %d cubins", len(want))
	}
	s.set(fatbinName, data)
	var got []string
	for _, m := range compare(t, before, s.pack(t)).Members {
		if m.Name != fatbinName {
			continue
		}
		for _, p := range m.Parts {
			got = append(got, p.Name)
			if p.At != 16 {
				t.Errorf("%s differs at %d, want 16", p.Name, p.At)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("parts %v, want %v", got, want)
	}
}

func TestCompareTellsTimeAndCompression(t *testing.T) {
	pack := func(method uint16, year int) []byte {
		var buffer bytes.Buffer
		writer := zip.NewWriter(&buffer)
		for _, f := range goodWheel(t).files {
			header := &zip.FileHeader{Name: f.name, Method: method, Modified: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
			member, err := writer.CreateHeader(header)
			if err == nil {
				_, err = member.Write(f.data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		return buffer.Bytes()
	}
	for _, test := range []struct {
		other []byte
		want  string
	}{
		{pack(zip.Deflate, 2000), "time 1980-01-01T00:00:00Z, 2000-01-01T00:00:00Z"},
		{pack(zip.Store, 1980), "method 8, 0"},
	} {
		if got := compare(t, pack(zip.Deflate, 1980), test.other).text(); strings.Count(got, test.want) != len(goodWheel(t).files) {
			t.Errorf("want %q for every member:\n%s", test.want, got)
		}
	}
}

func TestCompareRefusesWhatIsNoWheel(t *testing.T) {
	good := writeFile(t, sampleName, goodWheel(t).pack(t))
	bad := writeFile(t, sampleName, []byte("PK"))
	for _, pair := range [][2]string{{good, bad}, {bad, good}} {
		var refusal *finding.Refusal
		if _, err := CompareBytes(pair[0], pair[1]); !errors.As(err, &refusal) {
			t.Errorf("error is %v", err)
		}
	}
}

// An ELF file whose section is the whole file must not be followed for ever.
func TestDifferEnds(t *testing.T) {
	a := slices.Clone(wheeltest.Fixture(t, "good.so"))
	i, err := elffile.Read(content.Of(a), finding.CodeObjectFormat)
	if err != nil {
		t.Fatal(err)
	}
	table := little.Uint64(a[40:])
	for at := range i.Sections {
		header := a[table+uint64(at)*elffile.SectionHeaderBytes:]
		if uint16(at) == little.Uint16(a[62:]) || i.Sections[at].Kind == 0 {
			continue
		}
		little.PutUint64(header[24:], 0)
		little.PutUint64(header[32:], uint64(len(a)))
	}
	b := slices.Clone(a)
	b[elffile.HeaderBytes] ^= 1
	c := newComparison()
	parts, err := c.differ("", 0, content.Of(a), content.Of(b))
	if err != nil || len(parts) == 0 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}

func FuzzDiffer(f *testing.F) {
	f.Add(wheeltest.Fixture(f, "good.so"), wheeltest.Fixture(f, "new_glibc.so"))
	f.Add(wheeltest.Fixture(f, "plain.fatbin"), wheeltest.Fixture(f, "size.fatbin"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		c := newComparison()
		parts, err := c.differ("", 0, content.Of(a), content.Of(b))
		if err != nil || (len(parts) == 0) != bytes.Equal(a, b) {
			t.Errorf("%v, %v", parts, err)
		}
	})
}
