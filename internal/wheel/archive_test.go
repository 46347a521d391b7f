package wheel

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// zipOf packs files with archive/zip, which writes data descriptors.
func zipOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	writer := zip.NewWriter(&buffer)
	for at := 0; at < len(files); at += 2 {
		member, err := writer.Create(files[at])
		if err == nil {
			_, err = io.WriteString(member, files[at+1])
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

// unpackAll reads every member, as Read does.
func unpackAll(data []byte) (*archive, error) {
	a, err := readArchive(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	for _, m := range a.members {
		if err := a.copyTo(io.Discard, m); err != nil {
			return a, err
		}
	}
	return a, nil
}

func TestArchiveReadsWhatZipWrites(t *testing.T) {
	data := zipOf(t, "a.txt", "hello", "dir/", "", "dir/b.txt", strings.Repeat("world ", 1000))
	a, err := unpackAll(data)
	if err != nil || len(a.members) != 3 || len(a.hidden) != 0 {
		t.Fatalf("%+v, error %v", a, err)
	}
	text, err := readSmall(a, a.members[2], 1<<20)
	if err != nil || string(text) != strings.Repeat("world ", 1000) {
		t.Errorf("%q, error %v", text, err)
	}
}

// TestArchiveRefuses changes single bytes of a zip file by position: the central directory is where its
// signature says, and the first local header is at 0.
func TestArchiveRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(data []byte, central, end int) []byte
		want   finding.Code
	}{
		{"local name", func(d []byte, c, e int) []byte { d[30] = 'z'; return d }, finding.CodeZipMismatch},
		{"local method", func(d []byte, c, e int) []byte { d[8] = 0; return d }, finding.CodeZipMismatch},
		{"local size", func(d []byte, c, e int) []byte { d[22] = 1; return d }, finding.CodeZipMismatch},
		{"encryption", func(d []byte, c, e int) []byte { d[c+8] |= flagEncrypted; return d }, finding.CodeZipSpecial},
		{"method", func(d []byte, c, e int) []byte { d[c+10] = 14; return d }, finding.CodeZipSpecial},
		{"CRC", func(d []byte, c, e int) []byte { d[c+16] ^= 1; return d }, finding.CodeZipMismatch},
		{"size", func(d []byte, c, e int) []byte { d[c+24]++; return d }, finding.CodeZipMismatch},
		{"compressed size", func(d []byte, c, e int) []byte { d[c+20]--; return d }, finding.CodeZipMismatch},
		{"data descriptor", func(d []byte, c, e int) []byte {
			d[bytes.Index(d, []byte("PK\x07\x08"))+4] ^= 1
			return d
		}, finding.CodeZipMismatch},
		{"offset", func(d []byte, c, e int) []byte { d[c+44] = 0xff; return d }, finding.CodeZipFormat},
		{"64-bit size that is missing", func(d []byte, c, e int) []byte { copy(d[c+24:], "\xff\xff\xff\xff"); return d }, finding.CodeZipFormat},
		{"count", func(d []byte, c, e int) []byte { d[e+8]--; d[e+10]--; return d }, finding.CodeZipFormat},
		{"count too high", func(d []byte, c, e int) []byte { d[e+8]++; d[e+10]++; return d }, finding.CodeZipFormat},
		{"disks", func(d []byte, c, e int) []byte { d[e+4] = 1; return d }, finding.CodeZipFormat},
		{"bytes before the end", func(d []byte, c, e int) []byte {
			return append(append(bytes.Clone(d[:e]), 0), d[e:]...)
		}, finding.CodeZipFormat},
		{"bytes after the end", func(d []byte, c, e int) []byte { return append(d, 0) }, finding.CodeZipFormat},
		{"bytes before the start", func(d []byte, c, e int) []byte { return append([]byte("#!"), d...) }, finding.CodeZipFormat},
		{"overlap", func(d []byte, c, e int) []byte {
			second := c + centralBytes + len("a.txt") + int(d[c+30])
			copy(d[second+42:], d[c+42:c+46])
			copy(d[second+46:], "a.tx2")
			return d
		}, finding.CodeZipMismatch},
		{"two members of one name and place", func(d []byte, c, e int) []byte {
			second := c + centralBytes + len("a.txt") + int(d[c+30])
			copy(d[second:], d[c:second])
			return d
		}, finding.CodeZipDuplicate},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			data := zipOf(t, "a.txt", "hello hello hello", "b.txt", "world")
			central := bytes.Index(data, []byte("PK\x01\x02"))
			end := bytes.LastIndex(data, []byte("PK\x05\x06"))
			_, err := unpackAll(c.change(data, central, end))
			var refusal *finding.Refusal
			if !errors.As(err, &refusal) || refusal.Code != c.want {
				t.Errorf("error %v, want code %s", err, c.want)
			}
		})
	}
}

// TestArchiveChecksData damages members that have no data descriptor, in both headers alike.
func TestArchiveChecksData(t *testing.T) {
	for name, change := range map[string]func(data []byte, central int){
		"CRC":           func(d []byte, c int) { d[14] ^= 1; d[c+16] ^= 1 },
		"larger size":   func(d []byte, c int) { d[22]++; d[c+24]++ },
		"smaller size":  func(d []byte, c int) { d[22]--; d[c+24]-- },
		"data":          func(d []byte, c int) { d[localBytes+6] ^= 0xff },
		"cut data":      func(d []byte, c int) { d[18]--; d[c+20]-- },
		"reserved type": func(d []byte, c int) { d[localBytes+5] |= 6 },
	} {
		data := deflatedZip(t, "a.txt", "hello hello hello")
		change(data, bytes.Index(data, []byte("PK\x01\x02")))
		_, err := unpackAll(data)
		var refusal *finding.Refusal
		if !errors.As(err, &refusal) || refusal.Code != finding.CodeZipChecksum {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// deflatedZip packs one file without a data descriptor.
func deflatedZip(t *testing.T, name, text string) []byte {
	t.Helper()
	var packed, buffer bytes.Buffer
	compressor, _ := flate.NewWriter(&packed, flate.BestCompression)
	io.WriteString(compressor, text)
	compressor.Close()
	writer := zip.NewWriter(&buffer)
	member, err := writer.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(text)),
		CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(len(text)),
	})
	if err == nil {
		_, err = packed.WriteTo(member)
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// TestArchiveRefusesOverlap builds two members that share their compressed bytes, as dense zip bombs do.
func TestArchiveRefusesOverlap(t *testing.T) {
	inner := storedLocal("b", []byte("hello"))
	data := storedLocal("a", inner)
	central := append(storedCentral("a", inner, 0), storedCentral("b", []byte("hello"), localBytes+1)...)
	end := make([]byte, endBytes)
	copy(end, "PK\x05\x06")
	end[8], end[10] = 2, 2
	little.PutUint32(end[12:], uint32(len(central)))
	little.PutUint32(end[16:], uint32(len(data)))
	_, err := unpackAll(append(append(data, central...), end...))
	var refusal *finding.Refusal
	if !errors.As(err, &refusal) || refusal.Code != finding.CodeZipBomb {
		t.Errorf("error %v, want code %s", err, finding.CodeZipBomb)
	}
}

func storedLocal(name string, data []byte) []byte {
	head := make([]byte, localBytes)
	copy(head, "PK\x03\x04")
	little.PutUint32(head[18:], uint32(len(data)))
	little.PutUint32(head[22:], uint32(len(data)))
	little.PutUint16(head[26:], uint16(len(name)))
	return append(append(head, name...), data...)
}

func storedCentral(name string, data []byte, offset uint32) []byte {
	head := make([]byte, centralBytes)
	copy(head, "PK\x01\x02")
	little.PutUint32(head[20:], uint32(len(data)))
	little.PutUint32(head[24:], uint32(len(data)))
	little.PutUint16(head[28:], uint16(len(name)))
	little.PutUint32(head[42:], offset)
	return append(head, name...)
}

func TestArchiveReportsHiddenBytes(t *testing.T) {
	data := zipOf(t, "a.txt", "hello")
	central := bytes.Index(data, []byte("PK\x01\x02"))
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	hidden := append(append(bytes.Clone(data[:central]), "secret"...), data[central:]...)
	little.PutUint32(hidden[end+6+16:], uint32(central+6))
	a, err := unpackAll(hidden)
	if err != nil || len(a.hidden) != 1 || a.hidden[0].Code != finding.CodeZipHidden {
		t.Errorf("%v, error %v", a, err)
	}
}

func TestArchiveReads64BitRecords(t *testing.T) {
	var buffer bytes.Buffer
	writer := zip.NewWriter(&buffer)
	for i := range 0x10000 {
		if _, err := writer.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("f%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := unpackAll(buffer.Bytes())
	if err != nil || len(a.members) != 0x10000 || len(a.hidden) != 0 {
		t.Errorf("error %v", err)
	}
}

func TestBadName(t *testing.T) {
	for _, name := range []string{"", "/", ".", "..", "a/../b", "a//b", "./a", "/a", `a\b`, "c:x", "a\x00", "a\n", "a\xff", "a.", "a ", "a/\u202eb", "dir//",
		strings.Repeat("a", content.MaxNameBytes+1), strings.Repeat("a/", content.MaxDepth+1) + "b"} {
		if badName(name) == "" {
			t.Errorf("%q passes", name)
		}
	}
	for _, name := range []string{"a", "a/b.py", "dir/", "ünïcode.py", "a b.txt", "...a", ".hidden"} {
		if reason := badName(name); reason != "" {
			t.Errorf("%q: %s", name, reason)
		}
	}
}

// readSmall unpacks a member of at most limit bytes into memory.
func readSmall(a *archive, m *member, limit int64) ([]byte, error) {
	if m.size > limit {
		return nil, fmt.Errorf("%d bytes are more than the %d allowed here", m.size, limit)
	}
	var buffer bytes.Buffer
	err := a.copyTo(&buffer, m)
	return buffer.Bytes(), err
}
