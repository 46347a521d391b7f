package wheel

import (
	"archive/zip"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// ByteDifference is where the bytes of two wheels differ.
type ByteDifference struct {
	A       Side               `json:"a"`
	B       Side               `json:"b"`
	Members []MemberDifference `json:"members"`
	Archive []string           `json:"archive"` // differences of the zip around its members
}

// Side is one of two wheels that are compared.
type Side struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// MemberDifference is a member that is not the same on both sides.
type MemberDifference struct {
	Name   string   `json:"name"`
	A      int64    `json:"a"`                // size, -1 where the member is missing
	B      int64    `json:"b"`                // size on the other side
	Header []string `json:"header,omitempty"` // time, mode, compression
	Parts  []Part   `json:"parts,omitempty"`  // the smallest named parts that differ, in the order of the file
}

// Part is a section of an ELF file, an entry of a fatbin, a section of a cubin in a fatbin, or a line of a text.
type Part struct {
	Name string `json:"name"` // "cubin SM 9.0 / .text.scale"
	A    int64  `json:"a"`    // size, -1 where the part is missing
	B    int64  `json:"b"`
	At   int64  `json:"at"` // offset of the first byte that differs, within the part
}

// Identical reports whether all bytes are the same.
func (d *ByteDifference) Identical() bool { return d.A.SHA256 == d.B.SHA256 }

// opened is one side of a comparison.
type opened struct {
	side    Side
	file    *os.File
	archive *archive
	headers []*zip.File // of the members, in their order
	sums    map[string]Member
}

// CompareBytes says which members of two wheels differ, and where inside. The error is a *finding.Refusal where one
// of the files is no wheel.
func CompareBytes(a, b string) (*ByteDifference, error) {
	x, err := openSide(a)
	if err != nil {
		return nil, err
	}
	defer x.file.Close()
	y, err := openSide(b)
	if err != nil {
		return nil, err
	}
	defer y.file.Close()
	d := &ByteDifference{A: x.side, B: y.side, Members: []MemberDifference{}, Archive: []string{}}
	if d.Identical() {
		return d, nil
	}
	if err := d.compareMembers(x, y); err != nil {
		return nil, err
	}
	d.compareArchives(x, y)
	return d, nil
}

// openSide reads the whole wheel first, which refuses a zip that two readers could take differently.
func openSide(path string) (*opened, error) {
	w, err := Open(path)
	if err != nil {
		return nil, err
	}
	file, _, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	o := &opened{side: Side{filepath.Clean(path), w.Size, w.SHA256}, file: file, sums: map[string]Member{}}
	for _, member := range w.Members {
		o.sums[member.Name] = member
	}
	if o.archive, err = readArchive(file, w.Size); err == nil {
		err = o.readHeaders(w.Size)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return o, nil
}

func (o *opened) readHeaders(size int64) error {
	reader, err := zip.NewReader(o.file, size)
	if err != nil {
		return finding.Refuse(finding.CodeZipFormat, "", "%w", err)
	}
	o.headers = reader.File
	return nil
}

func (o *opened) find(name string) (*member, *zip.File) {
	at := slices.IndexFunc(o.archive.members, func(m *member) bool { return m.name == name })
	header := slices.IndexFunc(o.headers, func(f *zip.File) bool { return f.Name == name })
	if at < 0 || header < 0 {
		return nil, nil
	}
	return o.archive.members[at], o.headers[header]
}

// compareMembers goes through the members of x in their order, then through the members that only y has.
func (d *ByteDifference) compareMembers(x, y *opened) error {
	for _, one := range x.archive.members {
		m, header := x.find(one.name)
		other, otherHeader := y.find(one.name)
		if other == nil {
			d.Members = append(d.Members, MemberDifference{Name: one.name, A: one.size, B: -1})
			continue
		}
		found := MemberDifference{Name: m.name, A: m.size, B: other.size, Header: compareHeaders(header, otherHeader)}
		if x.sums[m.name].SHA256 != y.sums[m.name].SHA256 {
			var err error
			if found.Parts, err = compareContents(x, y, m, other); err != nil {
				return err
			}
		}
		if len(found.Header)+len(found.Parts) > 0 {
			d.Members = append(d.Members, found)
		}
	}
	for _, one := range y.archive.members {
		if m, _ := x.find(one.name); m == nil {
			d.Members = append(d.Members, MemberDifference{Name: one.name, A: -1, B: one.size})
		}
	}
	return nil
}

// compareHeaders names the fields of the central directory that differ, with both values.
func compareHeaders(a, b *zip.File) []string {
	var found []string
	say := func(what string, x, y any) {
		if x != y {
			found = append(found, fmt.Sprintf("%s %v, %v", what, x, y))
		}
	}
	say("time", a.Modified.UTC().Format(time.RFC3339), b.Modified.UTC().Format(time.RFC3339))
	say("mode", a.Mode(), b.Mode())
	say("system", a.CreatorVersion, b.CreatorVersion)
	say("method", a.Method, b.Method)
	say("flags", a.Flags, b.Flags)
	say("extra field", hex.EncodeToString(a.Extra), hex.EncodeToString(b.Extra))
	say("comment", a.Comment, b.Comment)
	if a.CRC32 == b.CRC32 && a.UncompressedSize64 == b.UncompressedSize64 {
		say("compressed size", a.CompressedSize64, b.CompressedSize64)
	}
	return found
}

// compareArchives compares what belongs to no single member. If nothing else differs, the compressed bytes do.
func (d *ByteDifference) compareArchives(x, y *opened) {
	if !slices.Equal(x.shared(y), y.shared(x)) {
		d.Archive = append(d.Archive, "the members are in another order")
	}
	if len(d.Members)+len(d.Archive) == 0 {
		d.Archive = append(d.Archive, "the members are the same, compressed to other bytes")
	}
}

// shared lists the members that both sides have, in the order of this side.
func (o *opened) shared(other *opened) []string {
	var names []string
	for _, m := range o.archive.members {
		if found, _ := other.find(m.name); found != nil {
			names = append(names, m.name)
		}
	}
	return names
}
