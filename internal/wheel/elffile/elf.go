// Package elffile reads ELF files as far as shared objects and cubins are alike: headers, sections, symbols.
package elffile

import (
	"debug/elf"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Image is a 64-bit little-endian ELF file: a shared object or a cubin. This package reads it by hand because debug/elf
// unpacks compressed sections and sizes tables by what the file claims.
type Image struct {
	content.Content
	Header   Header
	Sections []Section
	Programs []Program
}

// Read reads the header and the tables of sections and programs.
func Read(c content.Content, code finding.Code) (*Image, error) {
	raw := make([]byte, HeaderBytes)
	if content.ReadFull(c.R, raw, 0) != nil {
		raw = nil
	}
	header, err := ParseHeader(raw)
	if err != nil {
		return nil, finding.Refuse(code, "", "%w", err)
	}
	i := &Image{Content: c, Header: header}
	if err := i.readPrograms(code); err != nil {
		return nil, err
	}
	return i, i.readSections(code)
}

func (i *Image) readPrograms(code finding.Code) error {
	if i.Header.Programs.Count == 0 {
		return nil
	}
	table, ok := i.table(i.Header.Programs)
	if !ok {
		return finding.Refuse(code, "", "the program headers are malformed")
	}
	i.Programs = ParsePrograms(table)
	return nil
}

func (i *Image) readSections(code finding.Code) error {
	at, names := i.Header.Sections, i.Header.SectionNames
	if at.Count == 0 && at.Offset == 0 {
		return nil
	}
	table, ok := i.table(at)
	if !ok || names >= at.Count {
		return finding.Refuse(code, "", "the section headers are malformed")
	}
	var starts []uint32
	i.Sections, starts = ParseSections(table)
	return i.nameSections(starts, &i.Sections[names], code)
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

// table reads a table that the header points to.
func (i *Image) table(at Table) ([]byte, bool) {
	part, ok := i.Slice(at.Offset, at.Size())
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
		return nil, finding.Refuse(code, "", "section %q has %s, too many or unreadable", s.Name, ui.Count(s.Size, "byte"))
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
