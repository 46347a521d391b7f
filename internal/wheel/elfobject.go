package wheel

import (
	"debug/elf"
	"strings"
)

// describe reads a shared object's linking: what it needs, what it defines, for which systems.
func (i *image) describe(o *Object, left *budget) error {
	o.Format, o.Machine = FormatELF, machineName(i.machine)
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
func (i *image) parts() []section {
	header, _ := i.slice(0, elfHeaderBytes)
	list := []section{{piece: piece{"ELF header", header}}}
	for _, s := range i.sections {
		if s.kind == elf.SHT_NULL {
			continue
		}
		part, ok := i.slice(s.offset, s.size)
		list = append(list, section{piece{s.name, part}, !ok || s.kind == elf.SHT_NOBITS})
	}
	return list
}

// readStripped looks for what a stripped file lacks.
func (o *Object) readStripped(i *image) {
	o.SymbolTable = i.find(elf.SHT_SYMTAB) != nil
	for _, s := range i.sections {
		o.DebugInfo = o.DebugInfo || isDebugSection(s.name)
	}
	o.Stripped = !o.SymbolTable && !o.DebugInfo
}

// readDynamic reads the dynamic section. The loader finds it by the program headers, so both must agree: a file
// whose sections were removed or forged is refused, not passed unread.
func (o *Object) readDynamic(i *image) error {
	s := i.find(elf.SHT_DYNAMIC)
	loaded := i.loadedDynamic()
	if s == nil && loaded == nil {
		return nil
	}
	if s == nil || loaded == nil || s.offset != loaded.offset || s.size != loaded.size {
		return refuse(CodeObjectFormat, "", "section and program headers disagree about the dynamic section")
	}
	data, err := i.data(s, maxStringBytes, CodeObjectFormat)
	if err != nil {
		return err
	}
	names, err := i.linked(s, CodeObjectFormat)
	if err != nil {
		return err
	}
	return o.parseDynamic(data, names)
}

func (i *image) loadedDynamic() *program {
	for at := range i.programs {
		if i.programs[at].kind == elf.PT_DYNAMIC {
			return &i.programs[at]
		}
	}
	return nil
}

func (o *Object) parseDynamic(data []byte, names *stringTable) error {
	for ; len(data) >= dynamicBytes; data = data[dynamicBytes:] {
		tag, value := elf.DynTag(little.Uint64(data)), little.Uint64(data[8:])
		switch tag {
		case elf.DT_NULL:
			return nil
		case elf.DT_NEEDED, elf.DT_SONAME, elf.DT_RPATH, elf.DT_RUNPATH:
			text, ok := names.at(uint32(min(value, 1<<32-1)))
			if !ok || len(o.Needed) >= maxDynamic {
				return refuse(CodeObjectFormat, "", "the dynamic section names a string that is not there")
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
		o.RPath = append(o.RPath, strings.Split(text, ":")...)
	}
}

// readSymbols lists the dynamic symbols that the object defines, and with their versions those that it does not.
func (o *Object) readSymbols(i *image, left *budget) error {
	s := i.find(elf.SHT_DYNSYM)
	if s == nil {
		return nil
	}
	symbols, err := i.symbols(s, CodeObjectFormat)
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
		if symbol.binding() == elf.STB_LOCAL || symbol.name == "" {
			continue
		}
		if !left.spendSymbol(len(symbol.name)) {
			return tooManySymbols()
		}
		// Copies: a part of the string table would keep all of it in memory.
		name := strings.Clone(symbol.name)
		if elf.SectionIndex(symbol.section) != elf.SHN_UNDEF {
			o.Exported = append(o.Exported, name)
			continue
		}
		undefined := Undefined{Name: name, Weak: symbol.binding() == elf.STB_WEAK}
		if index := 2 * (at + 1); index+2 <= len(indices) {
			version := needed[little.Uint16(indices[index:])&0x7fff]
			undefined.Version, undefined.Library = version.Version, version.Library
		}
		o.Undefined = append(o.Undefined, undefined)
	}
	return nil
}

// symbolVersions reads the table that gives each dynamic symbol its version, nil where there is none.
func (i *image) symbolVersions() ([]byte, error) {
	table := i.find(elf.SHT_GNU_VERSYM)
	if table == nil {
		return nil, nil
	}
	return i.data(table, maxSymbols*2, CodeObjectFormat)
}
