package wheel

import (
	"bytes"
	"debug/elf"
)

// image is a 64-bit little-endian ELF file: a shared object or a cubin. It is read by hand because debug/elf
// unpacks compressed sections and sizes tables by what the file claims.
type image struct {
	content
	kind       elf.Type
	machine    elf.Machine
	abiVersion byte
	flags      uint32
	sections   []elfSection
	programs   []program
}

type elfSection struct {
	name                    string
	kind                    elf.SectionType
	flags                   uint64
	offset, size, entrySize uint64
	link, info              uint32
}

type program struct {
	kind         elf.ProgType
	offset, size uint64
}

const (
	elfHeaderBytes     = 64
	sectionHeaderBytes = 64
	programHeaderBytes = 56
	symbolBytes        = 24
	dynamicBytes       = 16
)

func isELF(head []byte) bool { return bytes.HasPrefix(head, []byte(elf.ELFMAG)) }

// readELF reads the header and the tables of sections and programs.
func readELF(c content, code Code) (*image, error) {
	header := make([]byte, elfHeaderBytes)
	if readFull(c.r, header, 0) != nil || !isELF(header) {
		return nil, refuse(code, "", "it is no ELF file, or cut short")
	}
	if elf.Class(header[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(header[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, refuse(code, "", "only 64-bit little-endian ELF files are read")
	}
	i := &image{
		content:    c,
		kind:       elf.Type(little.Uint16(header[16:])),
		machine:    elf.Machine(little.Uint16(header[18:])),
		abiVersion: header[elf.EI_ABIVERSION],
		flags:      little.Uint32(header[48:]),
	}
	if err := i.readPrograms(header, code); err != nil {
		return nil, err
	}
	return i, i.readSections(header, code)
}

func (i *image) readPrograms(header []byte, code Code) error {
	offset, size, count := little.Uint64(header[32:]), little.Uint16(header[54:]), little.Uint16(header[56:])
	if count == 0 {
		return nil
	}
	table, ok := i.table(offset, uint64(count)*programHeaderBytes)
	if !ok || size != programHeaderBytes {
		return refuse(code, "", "the program headers are malformed")
	}
	for ; len(table) > 0; table = table[programHeaderBytes:] {
		i.programs = append(i.programs, program{
			kind:   elf.ProgType(little.Uint32(table)),
			offset: little.Uint64(table[8:]),
			size:   little.Uint64(table[32:]),
		})
	}
	return nil
}

func (i *image) readSections(header []byte, code Code) error {
	offset, size := little.Uint64(header[40:]), little.Uint16(header[58:])
	count, names := little.Uint16(header[60:]), little.Uint16(header[62:])
	if count == 0 && offset == 0 {
		return nil
	}
	table, ok := i.table(offset, uint64(count)*sectionHeaderBytes)
	if !ok || size != sectionHeaderBytes || count == 0 || names >= count {
		return refuse(code, "", "the section headers are malformed")
	}
	starts := make([]uint32, 0, count)
	for ; len(table) > 0; table = table[sectionHeaderBytes:] {
		starts = append(starts, little.Uint32(table))
		i.sections = append(i.sections, parseSection(table))
	}
	return i.nameSections(starts, &i.sections[names], code)
}

func parseSection(raw []byte) elfSection {
	return elfSection{
		kind:      elf.SectionType(little.Uint32(raw[4:])),
		flags:     little.Uint64(raw[8:]),
		offset:    little.Uint64(raw[24:]),
		size:      little.Uint64(raw[32:]),
		link:      little.Uint32(raw[40:]),
		info:      little.Uint32(raw[44:]),
		entrySize: little.Uint64(raw[56:]),
	}
}

func (i *image) nameSections(starts []uint32, table *elfSection, code Code) error {
	data, err := i.data(table, maxStringBytes, code)
	if err != nil {
		return err
	}
	names := newStrings(data)
	for at := range i.sections {
		name, ok := names.at(starts[at])
		if !ok {
			return refuse(code, "", "section %d has no name", at)
		}
		i.sections[at].name = name
	}
	return nil
}

// table reads bytes that the header points to. Headers count their entries in 16 bits, so the size is bounded.
func (i *image) table(offset, size uint64) ([]byte, bool) {
	part, ok := i.slice(offset, size)
	if !ok {
		return nil, false
	}
	return part.bytes(part.size)
}

// data reads a section of at most limit bytes.
func (i *image) data(s *elfSection, limit int64, code Code) ([]byte, error) {
	if s.kind == elf.SHT_NOBITS || s.flags&uint64(elf.SHF_COMPRESSED) != 0 {
		return nil, refuse(code, "", "section %q is compressed or has no bytes", s.name)
	}
	part, ok := i.slice(s.offset, s.size)
	if !ok {
		return nil, refuse(code, "", "section %q reaches beyond the end of the file", s.name)
	}
	data, ok := part.bytes(limit)
	if !ok {
		return nil, refuse(code, "", "section %q has %d bytes, too many or unreadable", s.name, s.size)
	}
	return data, nil
}

// find returns the first section of a type, or nil.
func (i *image) find(kind elf.SectionType) *elfSection {
	for at := range i.sections {
		if i.sections[at].kind == kind {
			return &i.sections[at]
		}
	}
	return nil
}

// named returns the first section of a name, or nil.
func (i *image) named(name string) *elfSection {
	for at := range i.sections {
		if i.sections[at].name == name {
			return &i.sections[at]
		}
	}
	return nil
}

// linked reads the string table that a section names in its link field.
func (i *image) linked(s *elfSection, code Code) (*stringTable, error) {
	if uint64(s.link) >= uint64(len(i.sections)) {
		return nil, refuse(code, "", "section %q has no string table", s.name)
	}
	data, err := i.data(&i.sections[s.link], maxStringBytes, code)
	return newStrings(data), err
}

// symbol is one entry of a symbol table.
type symbol struct {
	name        string
	info, other byte
	section     uint16
	size        uint64
}

func (s symbol) binding() elf.SymBind { return elf.ST_BIND(s.info) }
func (s symbol) kind() elf.SymType    { return elf.ST_TYPE(s.info) }

// symbols reads a symbol table, without the empty first entry.
func (i *image) symbols(s *elfSection, code Code) ([]symbol, error) {
	data, err := i.data(s, maxSymbols*symbolBytes, code)
	if err != nil {
		return nil, err
	}
	names, err := i.linked(s, code)
	if err != nil {
		return nil, err
	}
	if len(data)%symbolBytes != 0 {
		return nil, refuse(code, "", "section %q holds no whole number of symbols", s.name)
	}
	table := make([]symbol, 0, len(data)/symbolBytes)
	for at := symbolBytes; at < len(data); at += symbolBytes {
		raw := data[at:]
		name, ok := names.at(little.Uint32(raw))
		if !ok {
			return nil, refuse(code, "", "section %q has a symbol without a name", s.name)
		}
		table = append(table, symbol{name, raw[4], raw[5], little.Uint16(raw[6:]), little.Uint64(raw[16:])})
	}
	return table, nil
}
