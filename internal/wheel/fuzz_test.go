package wheel

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

func FuzzFilename(f *testing.F) {
	f.Add(sampleName)
	f.Add("six-1.16.0-py2.py3-none-any.whl")
	f.Fuzz(func(t *testing.T, name string) {
		parsed, err := ParseFilename(name)
		if err == nil && parsed.String() != name {
			t.Errorf("%q was put together again as %q", name, parsed)
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte(sampleMetadata))
	f.Add([]byte("A: b\r\n c\r\n\r\nbody"))
	f.Fuzz(func(t *testing.T, data []byte) {
		headers, err := ParseHeaders(data)
		if err == nil && len(headers) > bytes.Count(data, []byte("\n"))+1 {
			t.Errorf("%d headers of %q", len(headers), data)
		}
		ParseInfo(data)
		ParseMetadata(data)
	})
}

// FuzzRecord reads a RECORD, writes the result and reads that again.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("\"a,b\",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nRECORD,,\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := ParseRecord(data)
		if err != nil {
			return
		}
		var text bytes.Buffer
		writer := csv.NewWriter(&text)
		for _, entry := range entries {
			writer.Write(recordFields(entry))
		}
		writer.Flush()
		again, err := ParseRecord(text.Bytes())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(entries) {
			t.Errorf("%q became %q: %v", data, text.Bytes(), err)
		}
	})
}

func recordFields(entry RecordEntry) []string {
	fields := []string{entry.Path, "", ""}
	if entry.Algorithm != "" || entry.Hash != nil {
		fields[1] = entry.Algorithm + "=" + base64.RawURLEncoding.EncodeToString(entry.Hash)
	}
	if entry.Size >= 0 {
		fields[2] = strconv.FormatInt(entry.Size, 10)
	}
	return fields
}

// FuzzArchive wants archive/zip to read every accepted file alike: names, order and contents.
func FuzzArchive(f *testing.F) {
	f.Add(zipOf(f, "a.txt", "hello hello hello", "dir/", "", "dir/b.txt", "world"))
	f.Add(goodWheelSmall(f).pack(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := unpackAll(data)
		if err != nil {
			return
		}
		reference, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil || len(reference.File) != len(a.members) {
			t.Fatalf("%d members, archive/zip says %v", len(a.members), err)
		}
		for at, m := range a.members {
			ours, err := readSmall(a, m, 1<<30)
			if err != nil || m.name != reference.File[at].Name {
				t.Fatalf("member %q, archive/zip says %q, error %v", m.name, reference.File[at].Name, err)
			}
			if theirs := readZip(t, reference.File[at]); !bytes.Equal(ours, theirs) {
				t.Errorf("member %q holds %q, archive/zip says %q", m.name, ours, theirs)
			}
		}
	})
}

func readZip(t *testing.T, f *zip.File) []byte {
	reader, err := f.Open()
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return data
}

// goodWheelSmall has no device code, so that mutations hit the structure.
func goodWheelSmall(t testing.TB) *sample {
	s := goodWheel(t)
	s.files = []file{s.files[0], s.files[3], s.files[4]}
	return s
}

func FuzzWheel(f *testing.F) {
	s := goodWheel(f)
	s.set(fatbinName, wheeltest.FirstEntry(wheeltest.Fixture(f, "size.fatbin")))
	f.Add(s.pack(f))
	f.Add(goodWheelSmall(f).pack(f))
	f.Add(universal("win_amd64", "sageattn.dll", wheeltest.Fixture(f, "good.dll")).pack(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := Read(bytes.NewReader(data), int64(len(data)), sampleName)
		if err == nil {
			w.Check(goodExpectation())
		}
	})
}

func FuzzObject(f *testing.F) {
	f.Add(wheeltest.Fixture(f, "good.so"))
	f.Add(wheeltest.Fixture(f, "symbols.so"))
	f.Add(wheeltest.Fixture(f, "new_glibc.so"))
	f.Add(wheeltest.Fixture(f, "aarch64.so"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reading{left: content.NewBudget()}
		r.readObject("a.so", content.Of(data))
	})
}
