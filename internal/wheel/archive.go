package wheel

import (
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// archive is a zip file whose directory has been read and found safe.
type archive struct {
	reader  io.ReaderAt
	size    int64
	members []*member
	hidden  finding.List // bytes that no member owns
}

// member is one file of an archive.
type member struct {
	name             string
	flags, method    uint16
	crc              uint32
	compressed, size int64
	header, data     int64 // where the local header and the compressed bytes begin
	end              int64 // where the compressed bytes and a data descriptor end
}

const (
	methodStore   = 0
	methodDeflate = 8

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3 // CRC and sizes follow the data
	flagPatch      = 1 << 5
	flagStrong     = 1 << 6
	flagMasked     = 1 << 13
)

// readArchive reads the directory and every local header, and refuses what a wheel must not have: it returns
// only archives that all unpackers read alike.
func readArchive(r io.ReaderAt, size int64) (*archive, error) {
	dir, err := findDirectory(r, size)
	if err != nil {
		return nil, err
	}
	a := &archive{reader: r, size: size}
	if err := a.readDirectory(dir); err != nil {
		return nil, err
	}
	if err := a.checkNames(); err != nil {
		return nil, err
	}
	for _, m := range a.members {
		if err := a.readLocal(m); err != nil {
			return nil, err
		}
	}
	if err := a.checkLayout(dir); err != nil {
		return nil, err
	}
	return a, a.checkSizes()
}

func (a *archive) readDirectory(dir directory) error {
	raw := make([]byte, dir.length)
	if err := content.ReadFull(a.reader, raw, dir.offset); err != nil {
		return err
	}
	for len(raw) > 0 {
		m, length, err := parseCentral(raw)
		if err != nil {
			return err
		}
		if uint64(len(a.members)) >= dir.records {
			return finding.Refuse(finding.CodeZipFormat, "", "the central directory announces %s and lists more", ui.Count(dir.records, "member"))
		}
		a.members = append(a.members, m)
		raw = raw[length:]
	}
	if uint64(len(a.members)) != dir.records {
		return finding.Refuse(finding.CodeZipFormat, "", "the central directory lists %s and announces %d", ui.Count(len(a.members), "member"), dir.records)
	}
	return nil
}

// parseCentral reads one central header and returns its length.
func parseCentral(raw []byte) (*member, int, error) {
	if len(raw) < centralBytes || little.Uint32(raw) != signatureCentral {
		return nil, 0, finding.Refuse(finding.CodeZipFormat, "", "the central directory is damaged")
	}
	nameLength, extraLength := int(little.Uint16(raw[28:])), int(little.Uint16(raw[30:]))
	length := centralBytes + nameLength + extraLength + int(little.Uint16(raw[32:]))
	if length > len(raw) {
		return nil, 0, finding.Refuse(finding.CodeZipFormat, "", "the central directory is cut short")
	}
	m := &member{
		name:       string(raw[centralBytes : centralBytes+nameLength]),
		flags:      little.Uint16(raw[8:]),
		method:     little.Uint16(raw[10:]),
		crc:        little.Uint32(raw[16:]),
		compressed: int64(little.Uint32(raw[20:])),
		size:       int64(little.Uint32(raw[24:])),
		header:     int64(little.Uint32(raw[42:])),
	}
	if err := m.checkKind(little.Uint16(raw[4:])>>8, little.Uint32(raw[38:])); err != nil {
		return nil, 0, err
	}
	return m, length, m.read64(raw[centralBytes+nameLength : centralBytes+nameLength+extraLength])
}

// checkKind refuses everything but plain files and directories.
func (m *member) checkKind(creator uint16, attributes uint32) error {
	if m.flags&(flagEncrypted|flagPatch|flagStrong|flagMasked) != 0 {
		return finding.Refuse(finding.CodeZipSpecial, m.name, "the member is encrypted or a patch")
	}
	if m.method != methodStore && m.method != methodDeflate {
		return finding.Refuse(finding.CodeZipSpecial, m.name, "compression method %d: wheels are stored or deflated", m.method)
	}
	const unix, darwin = 3, 19
	kind := attributes >> 16 & 0o170000
	if (creator == unix || creator == darwin) && kind != 0 && kind != 0o100000 && kind != 0o040000 {
		return finding.Refuse(finding.CodeZipSpecial, m.name, "the member is a symbolic link, device or socket")
	}
	return nil
}

// read64 takes 64-bit sizes and offset from the extra field of the central header.
func (m *member) read64(extra []byte) error {
	const zip64, unicodePath = 0x0001, 0x7075
	for len(extra) >= 4 {
		id, length := little.Uint16(extra), int(little.Uint16(extra[2:]))
		if length > len(extra)-4 {
			return finding.Refuse(finding.CodeZipFormat, m.name, "the extra field is cut short")
		}
		if id == unicodePath {
			return finding.Refuse(finding.CodeZipPath, m.name, "the extra field holds a second name")
		}
		if id == zip64 {
			m.apply64(extra[4 : 4+length])
		}
		extra = extra[4+length:]
	}
	if m.size == 0xffffffff || m.compressed == 0xffffffff || m.header == 0xffffffff {
		return finding.Refuse(finding.CodeZipFormat, m.name, "a 64-bit size or offset is missing")
	}
	return nil
}

// apply64 replaces the fields that are all ones, in the order of APPNOTE.TXT 4.5.3.
func (m *member) apply64(values []byte) {
	for _, field := range []*int64{&m.size, &m.compressed, &m.header} {
		if *field != 0xffffffff || len(values) < 8 {
			continue
		}
		// A true value of 2³²−1 would look unset, so it is as illegal as a missing value.
		*field = content.Clamp(little.Uint64(values))
		values = values[8:]
	}
}

// checkNames refuses names that leave the directory, names that other systems read differently, and duplicates.
func (a *archive) checkNames() error {
	names, folded := map[string]*member{}, map[string]string{}
	for _, m := range a.members {
		if reason := badName(m.name); reason != "" {
			return finding.Refuse(finding.CodeZipPath, m.name, "%s", reason)
		}
		name := strings.TrimSuffix(m.name, "/")
		if names[name] != nil {
			return finding.Refuse(finding.CodeZipDuplicate, m.name, "the wheel has two members of this name")
		}
		names[name] = m
		if other, ok := folded[strings.ToLower(name)]; ok {
			return finding.Refuse(finding.CodeZipDuplicate, m.name, "differs from %s in case only", other)
		}
		folded[strings.ToLower(name)] = name
	}
	for name, m := range names {
		for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
			if other := names[parent]; other != nil && !other.isDirectory() {
				return finding.Refuse(finding.CodeZipDuplicate, m.name, "%s is a file and a directory", parent)
			}
		}
	}
	return nil
}

// badName says why a member's name is refused, or returns "".
func badName(name string) string {
	plain := strings.TrimSuffix(name, "/")
	switch {
	case len(name) > content.MaxNameBytes || strings.Count(name, "/") > content.MaxDepth:
		return "the name is too long or too deep"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable):
		return "the name has control or malformed characters"
	case strings.ContainsAny(name, `\:`):
		return "the name has a backslash or a colon"
	case !fs.ValidPath(plain) || plain == ".":
		return "the name is not a plain relative path"
	case strings.HasSuffix(plain, ".") || strings.HasSuffix(plain, " "):
		return "the name ends in a dot or blank, which Windows drops"
	}
	return ""
}

// unprintable is also true of the marks that reverse or hide text.
func unprintable(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

func (m *member) isDirectory() bool { return strings.HasSuffix(m.name, "/") }
