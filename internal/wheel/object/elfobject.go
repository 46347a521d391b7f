package object

import (
	"debug/elf"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// elfObject is an ELF file that is a shared object.
type elfObject struct{ *elffile.Image }

// describe reads a shared object's linking: what it needs, what it defines, for which systems.
func (i elfObject) describe(o *Object, left *content.Budget) error {
	o.Format, o.Machine = FormatELF, machineName(i.Header.Machine)
	o.readStripped(i)
	if err := o.readDynamic(i); err != nil {
		return err
	}
	var err error
	if o.Versions, err = i.neededVersions(); err != nil {
		return err
	}
	o.GlibcFloor = floor(o.Versions, "GLIBC_")
	o.LibstdcxxFloor = floor(o.Versions, "GLIBCXX_")
	o.CXXABIFloor = floor(o.Versions, "CXXABI_")
	o.LibgccFloor = floor(o.Versions, "GCC_")
	return o.readSymbols(i, left)
}

func machineName(machine elf.Machine) string {
	switch machine {
	case elf.EM_X86_64:
		return "x86_64"
	case elf.EM_AARCH64:
		return "aarch64"
	}
	return machine.String()
}

// parts lists the header and the sections.
func (i elfObject) parts() []Section {
	header, _ := i.Slice(0, elffile.HeaderBytes)
	list := []Section{{Piece: content.Piece{Name: "ELF header", Content: header}}}
	for _, s := range i.Sections {
		if s.Kind == elf.SHT_NULL {
			continue
		}
		part, ok := i.Slice(s.Offset, s.Size)
		list = append(list, Section{content.Piece{Name: s.Name, Content: part}, !ok || s.Kind == elf.SHT_NOBITS})
	}
	return list
}

// readStripped looks for what a stripped file lacks.
func (o *Object) readStripped(i elfObject) {
	o.SymbolTable = i.Find(elf.SHT_SYMTAB) != nil
	for _, s := range i.Sections {
		o.DebugInfo = o.DebugInfo || isDebugSection(s.Name)
	}
	o.Stripped = !o.SymbolTable && !o.DebugInfo
}

// readDynamic reads the dynamic section. The loader finds it by the program headers, so sections and program headers
// must agree: a file whose sections were removed or forged is refused, not passed unread.
func (o *Object) readDynamic(i elfObject) error {
	s := i.Find(elf.SHT_DYNAMIC)
	loaded := i.loadedDynamic()
	if s == nil && loaded == nil {
		return nil
	}
	if s == nil || loaded == nil || s.Offset != loaded.Offset || s.Size != loaded.Size {
		return finding.Refuse(finding.CodeObjectFormat, "", "section and program headers disagree about the dynamic section")
	}
	data, err := i.Data(s, content.MaxStringBytes, finding.CodeObjectFormat)
	if err != nil {
		return err
	}
	names, err := i.Linked(s, finding.CodeObjectFormat)
	if err != nil {
		return err
	}
	return o.parseDynamic(data, names)
}

func (i elfObject) loadedDynamic() *elffile.Program {
	for at := range i.Programs {
		if i.Programs[at].Kind == elf.PT_DYNAMIC {
			return &i.Programs[at]
		}
	}
	return nil
}

func (o *Object) parseDynamic(data []byte, names *elffile.StringTable) error {
	for ; len(data) >= elffile.DynamicBytes; data = data[elffile.DynamicBytes:] {
		tag, value := elf.DynTag(little.Uint64(data)), little.Uint64(data[8:])
		switch tag {
		case elf.DT_NULL:
			return nil
		case elf.DT_NEEDED, elf.DT_SONAME, elf.DT_RPATH, elf.DT_RUNPATH:
			text, ok := names.At(uint32(min(value, 1<<32-1)))
			if !ok || len(o.Needed) >= content.MaxDynamic {
				return finding.Refuse(finding.CodeObjectFormat, "", "the dynamic section names a string that is not there")
			}
			o.setDynamic(tag, text)
		}
	}
	return nil
}

func (o *Object) setDynamic(tag elf.DynTag, text string) {
	switch tag {
	case elf.DT_NEEDED:
		o.Needed = append(o.Needed, text)
	case elf.DT_SONAME:
		o.SOName = text
	default:
		if text != "" { // the loader ignores an empty one
			o.RPath = append(o.RPath, strings.Split(text, ":")...)
		}
	}
}

// readSymbols lists the dynamic symbols that the object defines, and with their versions the symbols that it needs.
func (o *Object) readSymbols(i elfObject, left *content.Budget) error {
	s := i.Find(elf.SHT_DYNSYM)
	if s == nil {
		return nil
	}
	symbols, err := i.Symbols(s, finding.CodeObjectFormat)
	if err != nil {
		return err
	}
	indices, err := i.symbolVersions()
	if err != nil {
		return err
	}
	needed := map[uint16]SymbolVersion{}
	for _, version := range o.Versions {
		needed[version.index] = version
	}
	for at, symbol := range symbols {
		if symbol.Binding() == elf.STB_LOCAL || symbol.Name == "" {
			continue
		}
		if !left.SpendSymbol(len(symbol.Name)) {
			return tooManySymbols()
		}
		// A copy, because a part of the string table would keep the whole table in memory.
		name := strings.Clone(symbol.Name)
		if elf.SectionIndex(symbol.Section) != elf.SHN_UNDEF {
			o.Exported = append(o.Exported, name)
			continue
		}
		undefined := Undefined{Name: name, Weak: symbol.Binding() == elf.STB_WEAK}
		if index := 2 * (at + 1); index+2 <= len(indices) {
			version := needed[little.Uint16(indices[index:])&0x7fff]
			undefined.Version, undefined.Library = version.Version, version.Library
		}
		o.Undefined = append(o.Undefined, undefined)
	}
	return nil
}

// symbolVersions reads the table that gives each dynamic symbol its version, nil where there is none.
func (i elfObject) symbolVersions() ([]byte, error) {
	table := i.Find(elf.SHT_GNU_VERSYM)
	if table == nil {
		return nil, nil
	}
	return i.Data(table, content.MaxSymbols*2, finding.CodeObjectFormat)
}
