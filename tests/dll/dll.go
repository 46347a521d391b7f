// Package dll writes small Windows DLLs for tests of what reads them: headers, the tables of imports, exports and debug
// information, and sections of any bytes. They hold no code.
package dll

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// DLL is a 64-bit PE file to write.
type DLL struct {
	Name      string // in the export table
	Machine   uint16 // 0 is x86_64
	Timestamp uint32
	Exports   []string // "Name", or "Name=library.Symbol" for what another DLL does
	Imports   []Import
	Delayed   []Import
	PDB       string // path in the debug directory; "" writes none
	Repeat    bool   // an entry of the debug directory says that the timestamp is a hash
	Sections  []Section
}

// Import is what a DLL takes from another; "#12" asks for a number.
type Import struct {
	Library string
	Symbols []string
}

// Section is a part of the file that only its name describes, of at most eight characters.
type Section struct {
	Name string
	Data []byte
}

const (
	headers = 0x400
	page    = 0x1000
	sector  = 0x200

	amd64 = 0x8664
)

var little = binary.LittleEndian

// image is the first section while it grows: tables that name each other by address.
type image struct {
	data        []byte
	directories [16][2]uint32
}

func (i *image) here() uint32 { return page + uint32(len(i.data)) }

func (i *image) append(data []byte) uint32 {
	at := i.here()
	i.data = append(i.data, data...)
	return at
}

func (i *image) text(text string) uint32 { return i.append(append([]byte(text), 0)) }

func words(values ...uint32) []byte {
	var data []byte
	for _, value := range values {
		data = little.AppendUint32(data, value)
	}
	return data
}

// directory sets a table from where it begins to what was written last.
func (i *image) directory(number int, at uint32) {
	i.directories[number] = [2]uint32{at, i.here() - at}
}

// Bytes writes the file.
func (d DLL) Bytes() []byte {
	i := &image{}
	if len(d.Exports) > 0 {
		d.writeExports(i)
	}
	if len(d.Imports) > 0 {
		i.directory(1, i.append(records(i, d.Imports, func(name, thunks uint32) []byte { return words(thunks, 0, 0, name, thunks) })))
	}
	if len(d.Delayed) > 0 {
		i.directory(13, i.append(records(i, d.Delayed, func(name, thunks uint32) []byte {
			return words(1, name, 0, thunks, thunks, 0, 0, 0)
		})))
	}
	d.writeDebug(i)
	return d.assemble(i)
}

// writeExports writes the export table: functions, names and their numbers, and the texts that these point to. The
// address of a function of another DLL is that of a text in the table.
func (d DLL) writeExports(i *image) {
	exports := slices.Sorted(slices.Values(d.Exports))
	count := uint32(len(exports))
	start := i.here()
	tables := start + 40
	var texts []byte
	text := func(text string) uint32 {
		at := tables + 10*count + uint32(len(texts))
		texts = append(append(texts, text...), 0)
		return at
	}
	library := text(d.Name)
	var functions, names, numbers []byte
	for number, export := range exports {
		name, elsewhere, forwarded := strings.Cut(export, "=")
		function := uint32(page)
		if forwarded {
			function = text(elsewhere)
		}
		functions, names = append(functions, words(function)...), append(names, words(text(name))...)
		numbers = little.AppendUint16(numbers, uint16(number))
	}
	i.append(words(0, d.Timestamp, 0, library, 1, count, count, tables, tables+4*count, tables+8*count))
	i.append(slices.Concat(functions, names, numbers, texts))
	i.directory(0, start)
}

// records writes names and thunks, and returns the table of records that names them.
func records(i *image, imports []Import, record func(name, thunks uint32) []byte) []byte {
	var table []byte
	for _, one := range imports {
		var thunks []byte
		for _, symbol := range one.Symbols {
			if number, ok := strings.CutPrefix(symbol, "#"); ok {
				value, _ := strconv.ParseUint(number, 10, 16)
				thunks = little.AppendUint64(thunks, 1<<63|value)
				continue
			}
			thunks = little.AppendUint64(thunks, uint64(i.append(append(append([]byte{0, 0}, symbol...), 0))))
		}
		name := i.text(one.Library)
		table = append(table, record(name, i.append(append(thunks, make([]byte, 8)...)))...)
	}
	return append(table, make([]byte, len(record(0, 0)))...)
}

func (d DLL) writeDebug(i *image) {
	const codeView, repeat = 2, 16
	var table []byte
	if d.PDB != "" {
		record := slices.Concat([]byte("RSDS"), make([]byte, 20), []byte(d.PDB), []byte{0})
		at := i.append(record)
		table = append(table, words(0, d.Timestamp, 0, codeView, uint32(len(record)), at, at-page+headers)...)
	}
	if d.Repeat {
		table = append(table, words(0, d.Timestamp, 0, repeat, 0, 0, 0)...)
	}
	if table != nil {
		i.directory(6, i.append(table))
	}
}

// assemble lays out headers and sections.
func (d DLL) assemble(i *image) []byte {
	sections := append([]Section{{".rdata", i.data}}, d.Sections...)
	machine := d.Machine
	if machine == 0 {
		machine = amd64
	}
	file := make([]byte, 0x40)
	copy(file, "MZ")
	little.PutUint32(file[0x3c:], uint32(len(file)))
	file = append(file, "PE\x00\x00"...)
	file = little.AppendUint16(file, machine)
	file = little.AppendUint16(file, uint16(len(sections)))
	file = append(file, words(d.Timestamp, 0, 0)...)
	file = append(file, 240, 0, 0x22, 0x20)
	optional := make([]byte, 112)
	little.PutUint16(optional, 0x20b)
	little.PutUint32(optional[32:], page)
	little.PutUint32(optional[36:], sector)
	little.PutUint32(optional[56:], loaded(sections))
	little.PutUint32(optional[60:], headers)
	little.PutUint32(optional[108:], 16)
	file = append(file, optional...)
	for _, directory := range i.directories {
		file = append(file, words(directory[0], directory[1])...)
	}
	return appendSections(file, sections)
}

// pages is how much of the address space a section takes.
func (s Section) pages() uint32 { return (uint32(len(s.Data)) + page - 1) / page * page }

// loaded is how much of it the file takes.
func loaded(sections []Section) uint32 {
	size := uint32(page)
	for _, s := range sections {
		size += s.pages()
	}
	return size
}

func appendSections(file []byte, sections []Section) []byte {
	address, offset := uint32(page), uint32(headers)
	var body []byte
	for _, s := range sections {
		name := make([]byte, 8)
		copy(name, s.Name)
		size := uint32(len(s.Data)+sector-1) / sector * sector
		file = append(append(file, name...), words(uint32(len(s.Data)), address, size, offset, 0, 0, 0, 0x40000040)...)
		body = append(append(body, s.Data...), make([]byte, int(size)-len(s.Data))...)
		address += s.pages()
		offset += size
	}
	file = append(file, make([]byte, headers-len(file))...)
	return append(file, body...)
}
