package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
)

var little = binary.LittleEndian

// Sizes of ELF64's headers and table entries, in bytes.
const (
	HeaderBytes        = 64
	SectionHeaderBytes = 64
	ProgramBytes       = 56
	SymbolBytes        = 24
	DynamicBytes       = 16
)

// Header is what the first HeaderBytes of a file say.
type Header struct {
	Kind         elf.Type
	Machine      elf.Machine
	AbiVersion   byte
	Flags        uint32
	Programs     Table
	Sections     Table
	SectionNames uint16 // which section holds the names of all
}

// Table is where a table of headers lies. Count has 16 bits, so a table is smaller than 4 MiB whatever a file claims.
type Table struct {
	Offset    uint64
	EntrySize uint16
	Count     uint16
}

// Size is the length of the table in bytes.
func (t Table) Size() uint64 { return uint64(t.Count) * uint64(t.EntrySize) }

// Section is an entry of the table of sections, with the name that another section holds.
type Section struct {
	Name                    string
	Kind                    elf.SectionType
	flags                   uint64
	Offset, Size, entrySize uint64
	Link, Info              uint32
}

// Program is an entry of the table of program headers, a part of the file that the loader uses.
type Program struct {
	Kind         elf.ProgType
	Flags        elf.ProgFlag
	Offset, Size uint64 // in the file
}

// Is says whether a file with this head is an ELF file of any class.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte(elf.ELFMAG)) }

// ParseHeader reads the header of a 64-bit little-endian ELF file, of which raw is the start. It fails for all other
// files, and where an entry of a table has not the size that ELF64 gives it.
func ParseHeader(raw []byte) (Header, error) {
	if len(raw) < HeaderBytes || !Is(raw) {
		return Header{}, errors.New("it is no ELF file, or cut short")
	}
	if elf.Class(raw[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(raw[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return Header{}, errors.New("only 64-bit little-endian ELF files are read")
	}
	h := Header{
		Kind:         elf.Type(little.Uint16(raw[16:])),
		Machine:      elf.Machine(little.Uint16(raw[18:])),
		AbiVersion:   raw[elf.EI_ABIVERSION],
		Flags:        little.Uint32(raw[48:]),
		Programs:     Table{little.Uint64(raw[32:]), little.Uint16(raw[54:]), little.Uint16(raw[56:])},
		Sections:     Table{little.Uint64(raw[40:]), little.Uint16(raw[58:]), little.Uint16(raw[60:])},
		SectionNames: little.Uint16(raw[62:]),
	}
	if h.Programs.Count > 0 && h.Programs.EntrySize != ProgramBytes {
		return Header{}, errors.New("the program headers are malformed")
	}
	if h.Sections.Count > 0 && h.Sections.EntrySize != SectionHeaderBytes {
		return Header{}, errors.New("the section headers are malformed")
	}
	return h, nil
}

// ForgetSections clears what the header of a file says about its sections. The loader does not need them.
func ForgetSections(header []byte) {
	clear(header[40:48])
	clear(header[60:64])
}

// ParsePrograms reads a whole table of program headers.
func ParsePrograms(table []byte) []Program {
	programs := make([]Program, 0, len(table)/ProgramBytes)
	for ; len(table) >= ProgramBytes; table = table[ProgramBytes:] {
		programs = append(programs, Program{
			Kind:   elf.ProgType(little.Uint32(table)),
			Flags:  elf.ProgFlag(little.Uint32(table[4:])),
			Offset: little.Uint64(table[8:]),
			Size:   little.Uint64(table[32:]),
		})
	}
	return programs
}

// ParseSections reads a whole table of sections; names says where the name of each begins in the section of names.
func ParseSections(table []byte) (sections []Section, names []uint32) {
	for ; len(table) >= SectionHeaderBytes; table = table[SectionHeaderBytes:] {
		names = append(names, little.Uint32(table))
		sections = append(sections, parseSection(table))
	}
	return sections, names
}

func parseSection(raw []byte) Section {
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
