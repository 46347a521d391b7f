// Package elffile reads ELF files as far as shared objects and cubins are alike: headers, sections, symbols.
package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

var little = binary.LittleEndian

// Image is a 64-bit little-endian ELF file: a shared object or a cubin. It is read by hand because debug/elf
// unpacks compressed sections and sizes tables by what the file claims.
type Image struct {
	content.Content
	kind       elf.Type
	Machine    elf.Machine
	AbiVersion byte
	Flags      uint32
	Sections   []Section
	Programs   []Program
}

type Section struct {
	Name                    string
	Kind                    elf.SectionType
	flags                   uint64
	Offset, Size, entrySize uint64
	Link, Info              uint32
}

type Program struct {
	Kind         elf.ProgType
	Offset, Size uint64
}

const (
	HeaderBytes        = 64
	SectionHeaderBytes = 64
	programHeaderBytes = 56
	SymbolBytes        = 24
	DynamicBytes       = 16
)

func Is(head []byte) bool { return bytes.HasPrefix(head, []byte(elf.ELFMAG)) }

// Read reads the header and the tables of sections and programs.
func Read(c content.Content, code finding.Code) (*Image, error) {
	header := make([]byte, HeaderBytes)
	if content.ReadFull(c.R, header, 0) != nil || !Is(header) {
		return nil, finding.Refuse(code, "", "it is no ELF file, or cut short")
	}
	if elf.Class(header[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(header[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, finding.Refuse(code, "", "only 64-bit little-endian ELF files are read")
	}
	i := &Image{
		Content:    c,
		kind:       elf.Type(little.Uint16(header[16:])),
		Machine:    elf.Machine(little.Uint16(header[18:])),
		AbiVersion: header[elf.EI_ABIVERSION],
		Flags:      little.Uint32(header[48:]),
	}
	if err := i.readPrograms(header, code); err != nil {
		return nil, err
	}
	return i, i.readSections(header, code)
}

func (i *Image) readPrograms(header []byte, code finding.Code) error {
	offset, size, count := little.Uint64(header[32:]), little.Uint16(header[54:]), little.Uint16(header[56:])
	if count == 0 {
		return nil
	}
	table, ok := i.table(offset, uint64(count)*programHeaderBytes)
	if !ok || size != programHeaderBytes {
		return finding.Refuse(code, "", "the program headers are malformed")
	}
	for ; len(table) > 0; table = table[programHeaderBytes:] {
		i.Programs = append(i.Programs, Program{
			Kind:   elf.ProgType(little.Uint32(table)),
			Offset: little.Uint64(table[8:]),
			Size:   little.Uint64(table[32:]),
		})
	}
	return nil
}

func (i *Image) readSections(header []byte, code finding.Code) error {
	offset, size := little.Uint64(header[40:]), little.Uint16(header[58:])
	count, names := little.Uint16(header[60:]), little.Uint16(header[62:])
	if count == 0 && offset == 0 {
		return nil
	}
	table, ok := i.table(offset, uint64(count)*SectionHeaderBytes)
	if !ok || size != SectionHeaderBytes || count == 0 || names >= count {
		return finding.Refuse(code, "", "the section headers are malformed")
	}
	starts := make([]uint32, 0, count)
	for ; len(table) > 0; table = table[SectionHeaderBytes:] {
		starts = append(starts, little.Uint32(table))
		i.Sections = append(i.Sections, ParseSection(table))
	}
	return i.nameSections(starts, &i.Sections[names], code)
}

func ParseSection(raw []byte) Section {
	return Section{
		Kind:      elf.SectionType(little.Uint32(raw[4:])),
		flags:     little.Uint64(raw[8:]),
		Offset:    little.Uint64(raw[24:]),
		Size:      little.Uint64(raw[32:]),
		Link:      little.Uint32(raw[40:]),
		Info:      little.Uint32(raw[44:]),
		entrySize: little.Uint64(raw[56:]),
	}
}

func (i *Image) nameSections(starts []uint32, table *Section, code finding.Code) error {
	data, err := i.Data(table, content.MaxStringBytes, code)
	if err != nil {
		return err
	}
	names := NewStrings(data)
	for at := range i.Sections {
		name, ok := names.At(starts[at])
		if !ok {
			return finding.Refuse(code, "", "section %d has no name", at)
		}
		i.Sections[at].Name = name
	}
	return nil
}

// table reads bytes that the header points to. Headers count their entries in 16 bits, so the size is bounded.
func (i *Image) table(offset, size uint64) ([]byte, bool) {
	part, ok := i.Slice(offset, size)
	if !ok {
		return nil, false
	}
	return part.Bytes(part.Size)
}

// Data reads a section of at most limit bytes.
func (i *Image) Data(s *Section, limit int64, code finding.Code) ([]byte, error) {
	if s.Kind == elf.SHT_NOBITS || s.flags&uint64(elf.SHF_COMPRESSED) != 0 {
		return nil, finding.Refuse(code, "", "section %q is compressed or has no bytes", s.Name)
	}
	part, ok := i.Slice(s.Offset, s.Size)
	if !ok {
		return nil, finding.Refuse(code, "", "section %q reaches beyond the end of the file", s.Name)
	}
	data, ok := part.Bytes(limit)
	if !ok {
		return nil, finding.Refuse(code, "", "section %q has %d bytes, too many or unreadable", s.Name, s.Size)
	}
	return data, nil
}

// Find returns the first section of a type, or nil.
func (i *Image) Find(kind elf.SectionType) *Section {
	for at := range i.Sections {
		if i.Sections[at].Kind == kind {
			return &i.Sections[at]
		}
	}
	return nil
}

// Named returns the first section of a name, or nil.
func (i *Image) Named(name string) *Section {
	for at := range i.Sections {
		if i.Sections[at].Name == name {
			return &i.Sections[at]
		}
	}
	return nil
}

// Linked reads the string table that a section names in its link field.
func (i *Image) Linked(s *Section, code finding.Code) (*StringTable, error) {
	if uint64(s.Link) >= uint64(len(i.Sections)) {
		return nil, finding.Refuse(code, "", "section %q has no string table", s.Name)
	}
	data, err := i.Data(&i.Sections[s.Link], content.MaxStringBytes, code)
	return NewStrings(data), err
}

// symbol is one entry of a symbol table.
type symbol struct {
	Name        string
	info, Other byte
	Section     uint16
	size        uint64
}

func (s symbol) Binding() elf.SymBind { return elf.ST_BIND(s.info) }
func (s symbol) Kind() elf.SymType    { return elf.ST_TYPE(s.info) }

// Symbols reads a symbol table, without the empty first entry.
func (i *Image) Symbols(s *Section, code finding.Code) ([]symbol, error) {
	data, err := i.Data(s, content.MaxSymbols*SymbolBytes, code)
	if err != nil {
		return nil, err
	}
	names, err := i.Linked(s, code)
	if err != nil {
		return nil, err
	}
	if len(data)%SymbolBytes != 0 {
		return nil, finding.Refuse(code, "", "section %q holds no whole number of symbols", s.Name)
	}
	table := make([]symbol, 0, len(data)/SymbolBytes)
	for at := SymbolBytes; at < len(data); at += SymbolBytes {
		raw := data[at:]
		name, ok := names.At(little.Uint32(raw))
		if !ok {
			return nil, finding.Refuse(code, "", "section %q has a symbol without a name", s.Name)
		}
		table = append(table, symbol{name, raw[4], raw[5], little.Uint16(raw[6:]), little.Uint64(raw[16:])})
	}
	return table, nil
}
