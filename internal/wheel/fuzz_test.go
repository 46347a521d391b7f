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

// FuzzRecord writes what it read and reads it again.
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
	s.set(fatbinName, firstEntry(fixture(f, "size.fatbin")))
	f.Add(s.pack(f))
	f.Add(goodWheelSmall(f).pack(f))
	f.Add(universal("win_amd64", "sageattn.dll", fixture(f, "good.dll")).pack(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := Read(bytes.NewReader(data), int64(len(data)), sampleName)
		if err == nil {
			w.Check(goodExpectation())
		}
	})
}

func FuzzObject(f *testing.F) {
	f.Add(fixture(f, "good.so"))
	f.Add(fixture(f, "symbols.so"))
	f.Add(fixture(f, "new_glibc.so"))
	f.Add(fixture(f, "aarch64.so"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reading{left: newBudget()}
		r.readObject("a.so", contentOf(data))
	})
}

func FuzzVersions(f *testing.F) {
	i, err := readELF(contentOf(fixture(f, "new_glibc.so")), CodeObjectFormat)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range i.sections {
		if s.name == ".gnu.version_r" {
			data, _ := i.data(&s, 1<<20, CodeObjectFormat)
			names, _ := i.linked(&s, CodeObjectFormat)
			f.Add(data, []byte(names.text), uint32(2))
		}
	}
	f.Fuzz(func(t *testing.T, data, names []byte, count uint32) {
		versions, err := parseVersions(data, newStrings(names), count)
		if err == nil && len(versions) > len(data)/vernauxBytes*(len(data)/verneedBytes+1) {
			t.Errorf("%d versions of %d bytes", len(versions), len(data))
		}
		floor(versions, "GLIBC_")
	})
}

func FuzzFatbin(f *testing.F) {
	for _, name := range []string{"plain.fatbin", "speed.fatbin", "size.fatbin"} {
		f.Add(firstEntry(fixture(f, name)))
		f.Add(nest(firstEntry(fixture(f, name)), 2))
	}
	f.Add(ptxFatbin([]byte("// PTX")))
	f.Fuzz(func(t *testing.T, data []byte) {
		fatbins, _ := parseFatbins(contentOf(data), newBudget())
		var end int64
		for _, fatbin := range fatbins {
			if fatbin.Offset < end || fatbin.Size > int64(len(data))-fatbin.Offset {
				t.Errorf("a fatbin at %d of %d bytes, after %d, in %d bytes", fatbin.Offset, fatbin.Size, end, len(data))
			}
			end = fatbin.Offset + fatbin.Size
			for _, entry := range fatbin.Entries {
				if entry.Stored > fatbin.Size {
					t.Errorf("entry %+v in %d bytes", entry, fatbin.Size)
				}
			}
		}
	})
}

// firstEntry is a fatbin's first entry alone, so that mutations hit headers more often.
func firstEntry(fatbin []byte) []byte {
	length := little.Uint32(fatbin[fatbinHeaderBytes+4:]) + little.Uint32(fatbin[fatbinHeaderBytes+8:])
	short := bytes.Clone(fatbin[:fatbinHeaderBytes+length])
	little.PutUint64(short[8:], uint64(length))
	return short
}

func FuzzCubin(f *testing.F) {
	f.Add(fixture(f, "sm_90a.cubin"))
	f.Add(fixture(f, "sm_90a_cuda13.cubin"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cubin, err := readCubin(contentOf(data))
		if err == nil && len(cubin.Kernels) > len(data)/symbolBytes {
			t.Errorf("%d kernels in %d bytes", len(cubin.Kernels), len(data))
		}
	})
}

func FuzzLZ4(f *testing.F) {
	f.Add([]byte("\x1fa\x01\x00\x01\x10b"), int64(22))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		plain, err := unpackLZ4(data, size)
		if err == nil && int64(len(plain)) != size {
			t.Errorf("%d bytes, want %d", len(plain), size)
		}
	})
}
