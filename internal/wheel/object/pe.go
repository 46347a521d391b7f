package object

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// peHeader is what the headers of a 64-bit PE file (PE32+) say. This package reads it by hand because debug/pe trusts
// the counts and sizes of the file. Rules and names of fields: Microsoft's "PE Format".
type peHeader struct {
	machine     uint16
	timestamp   uint32
	length      uint32 // of all headers together
	symbols     uint32 // offset of the symbol table, 0 without one
	symbolCount uint32
	directories [peDirectories]peDirectory
	sections    []peSection
}

// peDirectory is a table that the header points to: an address in memory and a size.
type peDirectory struct{ address, size uint32 }

type peSection struct {
	name             string
	address, virtual uint32 // in memory
	offset, size     uint32 // in the file
}

// Numbers of directories.
const (
	peExports = 0
	peImports = 1
	peDebug   = 6
	peDelayed = 13

	peDirectories = 16
)

const (
	peSignatureAt     = 0x3c // where the DOS header says where the PE header is
	peFileHeaderBytes = 24   // with the signature before it
	peOptionalBytes   = 112 + 8*peDirectories
	peSectionBytes    = 40
	peSymbolBytes     = 18
	pePage            = 4096
	peSector          = 512
)

func IsMZ(head []byte) bool { return bytes.HasPrefix(head, []byte("MZ")) }

// isPE reports whether the content begins as a PE file. "MZ" is not enough, because any text may begin with it.
func isPE(c content.Content) bool {
	head, _ := c.Slice(0, uint64(min(c.Size, content.MaxPEHeaders)))
	data, ok := head.Bytes(content.MaxPEHeaders)
	_, err := peSignature(data)
	return ok && err == nil
}

// peSignature returns what follows the signature.
func peSignature(data []byte) ([]byte, error) {
	if IsMZ(data) && len(data) >= peSignatureAt+4 {
		at := uint64(little.Uint32(data[peSignatureAt:]))
		if at+peFileHeaderBytes <= uint64(len(data)) && string(data[at:at+4]) == "PE\x00\x00" {
			return data[at:], nil
		}
	}
	return nil, finding.Refuse(finding.CodeObjectFormat, "", "it is no PE file, or cut short")
}

// parsePE reads the headers from the first maxPEHeaders bytes of a file, or all it has.
func parsePE(data []byte) (*peHeader, error) {
	raw, err := peSignature(data)
	if err != nil {
		return nil, err
	}
	h := &peHeader{
		machine:     little.Uint16(raw[4:]),
		timestamp:   little.Uint32(raw[8:]),
		symbols:     little.Uint32(raw[12:]),
		symbolCount: little.Uint32(raw[16:]),
	}
	sections, optional := int(little.Uint16(raw[6:])), int(little.Uint16(raw[20:]))
	raw = raw[peFileHeaderBytes:]
	if optional < 2 || optional > len(raw) {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "the PE headers are cut short")
	}
	if err := h.readOptional(raw[:optional]); err != nil {
		return nil, err
	}
	return h, h.readSections(raw[optional:], sections)
}

// readOptional reads the header that all images have.
func (h *peHeader) readOptional(raw []byte) error {
	const wide = 0x20b
	if little.Uint16(raw) != wide {
		return finding.Refuse(finding.CodeObjectFormat, "", "only 64-bit PE files (PE32+) are read")
	}
	if len(raw) < peOptionalBytes-8*peDirectories {
		return finding.Refuse(finding.CodeObjectFormat, "", "the PE headers are cut short")
	}
	h.length = little.Uint32(raw[60:])
	count := min(little.Uint32(raw[108:]), peDirectories)
	table := raw[peOptionalBytes-8*peDirectories:]
	if uint64(len(table)) < 8*uint64(count) {
		return finding.Refuse(finding.CodeObjectFormat, "", "the PE headers are cut short")
	}
	for at := range count {
		h.directories[at] = peDirectory{little.Uint32(table[8*at:]), little.Uint32(table[8*at+4:])}
	}
	return nil
}

// readSections wants what the loader wants: addresses that rise and do not overlap, so that each has one meaning.
func (h *peHeader) readSections(raw []byte, count int) error {
	if count > content.MaxPESections || count*peSectionBytes > len(raw) {
		return finding.Refuse(finding.CodeObjectFormat, "", "there are more sections than the headers have room for")
	}
	end := uint64(0)
	for ; count > 0; count-- {
		s := peSection{
			name:    string(bytes.TrimRight(raw[:8], "\x00")),
			virtual: little.Uint32(raw[8:]), address: little.Uint32(raw[12:]),
			size: little.Uint32(raw[16:]), offset: little.Uint32(raw[20:]),
		}
		if s.virtual == 0 {
			s.virtual = s.size
		}
		// The loader rounds offsets down to sectors; a reader that keeps them would see other bytes.
		if uint64(s.address) < end || s.size > 0 && s.offset%peSector != 0 {
			return finding.Refuse(finding.CodeObjectFormat, "", "section %q overlaps another, or begins within a sector", s.name)
		}
		end = uint64(s.address) + uint64(s.virtual)
		h.sections = append(h.sections, s)
		raw = raw[peSectionBytes:]
	}
	return nil
}

// bytes is how much of the section lies in the file, without the padding to a whole sector.
func (s peSection) bytes() uint32 { return min(s.size, s.virtual) }

// holding returns the index of the section in which an address lies.
func (h *peHeader) holding(address uint32) (int, bool) {
	at := sort.Search(len(h.sections), func(at int) bool { return h.sections[at].address > address }) - 1
	return at, at >= 0 && address-h.sections[at].address < h.sections[at].mapped()
}

// mapped is how much of the file the loader shows at the section's address.
func (s peSection) mapped() uint32 {
	whole := (uint64(s.virtual) + pePage - 1) / pePage * pePage
	return uint32(min(uint64(s.size), whole))
}

// offsetOf returns where in the file the bytes of a directory lie.
func (h *peHeader) offsetOf(d peDirectory) (uint64, bool) {
	at, ok := h.holding(d.address)
	if !ok || uint64(d.address-h.sections[at].address)+uint64(d.size) > uint64(h.sections[at].mapped()) {
		return 0, false
	}
	return uint64(h.sections[at].offset) + uint64(d.address-h.sections[at].address), true
}

// peImage is a PE file with random access.
type peImage struct {
	content.Content
	*peHeader
	windows map[int]*window // by section
	room    int64           // bytes that may still be read into windows
	thunks  int64           // imports that were read
}

// readPE reads the headers.
func readPE(c content.Content) (*peImage, error) {
	head, _ := c.Slice(0, uint64(min(c.Size, content.MaxPEHeaders)))
	data, ok := head.Bytes(content.MaxPEHeaders)
	if !ok {
		return nil, finding.Refuse(finding.CodeObjectFormat, "", "the headers cannot be read")
	}
	header, err := parsePE(data)
	if err != nil {
		return nil, err
	}
	i := &peImage{Content: c, peHeader: header, windows: map[int]*window{}, room: content.MaxStringBytes}
	return i, i.nameSections()
}

// directory reads the whole table that the header points to.
func (i *peImage) directory(d peDirectory, limit int64) ([]byte, error) {
	if offset, ok := i.offsetOf(d); ok {
		if part, ok := i.Slice(offset, uint64(d.size)); ok {
			if data, ok := part.Bytes(limit); ok {
				return data, nil
			}
		}
	}
	return nil, finding.Refuse(finding.CodeObjectFormat, "", "a table of %s lies outside of the sections, or is too large", ui.Count(d.size, "byte"))
}

// nameSections looks up names of more than eight characters, "/123", which linkers other than Microsoft's write behind
// the symbol table.
func (i *peImage) nameSections() error {
	if i.symbols == 0 {
		return nil
	}
	table := uint64(i.symbols) + uint64(i.symbolCount)*peSymbolBytes
	for at := range i.sections {
		number, long := strings.CutPrefix(i.sections[at].name, "/")
		if !long {
			continue
		}
		offset, err := strconv.ParseUint(number, 10, 32)
		name, ok := i.StringAt(table + offset)
		if err != nil || !ok {
			return finding.Refuse(finding.CodeObjectFormat, "", "section %d has no name", at)
		}
		i.sections[at].name = name
	}
	return nil
}

// describe reads a DLL's linking: what it needs, what it defines, and what the linker left in it.
func (i *peImage) describe(o *Object, left *content.Budget) error {
	o.Format, o.Machine, o.Timestamp = FormatPE, peMachine(i.machine), i.timestamp
	o.SymbolTable = i.symbols != 0 && i.symbolCount > 0
	o.DebugInfo = slices.ContainsFunc(i.sections, func(s peSection) bool { return isDebugSection(s.name) })
	o.Stripped = !o.SymbolTable && !o.DebugInfo
	for _, read := range []func(*Object, *content.Budget) error{i.readImports, i.readDelayed, i.readExports, i.readDebug} {
		if err := read(o, left); err != nil {
			return err
		}
	}
	return nil
}

func peMachine(machine uint16) string {
	switch machine {
	case 0x8664:
		return "x86_64"
	case 0xaa64:
		return "aarch64"
	}
	return fmt.Sprintf("0x%04x", machine)
}

// parts lists the headers and the sections.
func (i *peImage) parts() []Section {
	header, ok := i.Slice(0, uint64(i.length))
	list := []Section{{content.Piece{Name: "PE headers", Content: header}, !ok}}
	for _, s := range i.sections {
		part, ok := i.Slice(uint64(s.offset), uint64(s.bytes()))
		list = append(list, Section{content.Piece{Name: s.name, Content: part}, !ok})
	}
	return list
}
