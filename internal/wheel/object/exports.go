package object

import (
	"bufio"
	"bytes"
	"debug/elf"
	"io"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// A Source is a file or a member of a wheel that holds a shared object. It opens the object from its start, as often
// as a reader asks.
type Source struct {
	Name string
	Size int64
	Open func() (io.ReadCloser, error)
	tail []byte // the last bytes, of a source that cannot seek
}

// tailBytes covers the section headers and the names of dynamic symbols, which tools that edit libraries move to the
// end: one pass over a compressed library is then enough.
const tailBytes = 16 << 20

// FindExports removes from wanted each name that the shared object exports; a DLL's numbers are spelled as in
// Undefined. It reads the object forward only and keeps only the tables that name symbols, so that a torch of 1 GB
// inside a wheel takes some megabytes of memory and no disk.
func FindExports(s Source, wanted map[string]bool) error {
	head := make([]byte, elffile.HeaderBytes)
	if err := s.read(0, head); err != nil {
		return s.refuse("it is no shared object, or cut short")
	}
	if IsMZ(head) {
		return s.findInPE(wanted)
	}
	return s.findInELF(head, wanted)
}

func (s Source) refuse(format string, args ...any) error {
	return finding.Refuse(finding.CodeObjectFormat, s.Name, format, args...)
}

func (s Source) findInELF(head []byte, wanted map[string]bool) error {
	header, err := elffile.ParseHeader(head)
	if err != nil {
		return s.refuse("%w", err)
	}
	if err := s.readTail(); err != nil {
		return err
	}
	symbols, names, err := s.dynamicSymbols(header)
	if err != nil || symbols == nil {
		return err
	}
	offsets, err := s.definedNames(*symbols)
	if err != nil {
		return err
	}
	return s.matchNames(*names, offsets, wanted)
}

// findInPE reads the headers, then the export table alone.
func (s Source) findInPE(wanted map[string]bool) error {
	head := make([]byte, min(s.Size, content.MaxPEHeaders))
	if err := s.read(0, head); err != nil {
		return s.refuse("the headers cannot be read: %w", err)
	}
	header, err := parsePE(head)
	if err != nil || header.directories[peExports].address == 0 {
		return err
	}
	d := header.directories[peExports]
	offset, ok := header.offsetOf(d)
	if !ok || d.size > content.MaxStringBytes || offset+uint64(d.size) > uint64(s.Size) {
		return s.refuse("the export table lies outside of the file, or is too large")
	}
	data := make([]byte, d.size)
	if err := s.read(offset, data); err != nil {
		return s.refuse("the export table cannot be read: %w", err)
	}
	table, err := parseExports(d, data)
	if err != nil {
		return err
	}
	for name := range wanted {
		if number, ok := strings.CutPrefix(name, "#"); ok && table.hasNumber(number) {
			delete(wanted, name)
		}
	}
	return table.each(func(name []byte) error {
		delete(wanted, string(name))
		return nil
	})
}

// at returns a reader of a part of the source.
func (s Source) at(offset, length uint64) (io.Reader, io.Closer, error) {
	if offset > uint64(s.Size) || length > uint64(s.Size)-offset {
		return nil, nil, s.refuse("a table reaches beyond the end of the file")
	}
	if start := uint64(s.Size) - uint64(len(s.tail)); s.tail != nil && offset >= start {
		return bytes.NewReader(s.tail[offset-start:][:length]), io.NopCloser(nil), nil
	}
	r, err := s.Open()
	if err != nil {
		return nil, nil, err
	}
	if seeker, ok := r.(io.Seeker); ok {
		_, err = seeker.Seek(int64(offset), io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, r, int64(offset))
	}
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return io.LimitReader(r, int64(length)), r, nil
}

func (s Source) read(offset uint64, buffer []byte) error {
	r, closer, err := s.at(offset, uint64(len(buffer)))
	if err != nil {
		return err
	}
	defer closer.Close()
	_, err = io.ReadFull(r, buffer)
	return err
}

// readTail keeps the end of a source that can only be read forward.
func (s *Source) readTail() error {
	r, err := s.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, ok := r.(io.Seeker); ok {
		return nil
	}
	tail := make([]byte, min(s.Size, tailBytes))
	if _, err = io.CopyN(io.Discard, r, s.Size-int64(len(tail))); err == nil {
		_, err = io.ReadFull(r, tail)
	}
	if err != nil {
		return s.refuse("it cannot be read to its end: %w", err)
	}
	s.tail = tail
	return nil
}

// dynamicSymbols finds the dynamic symbol table and its strings; nil where there is none.
func (s Source) dynamicSymbols(header elffile.Header) (symbols, names *elffile.Section, err error) {
	if header.Sections.Count == 0 {
		return nil, nil, nil
	}
	table := make([]byte, header.Sections.Size())
	if err := s.read(header.Sections.Offset, table); err != nil {
		return nil, nil, s.refuse("the section headers are malformed")
	}
	sections, _ := elffile.ParseSections(table)
	at := slices.IndexFunc(sections, func(s elffile.Section) bool { return s.Kind == elf.SHT_DYNSYM })
	if at < 0 {
		return nil, nil, nil
	}
	symbols = &sections[at]
	if int64(symbols.Link) >= int64(len(sections)) || symbols.Size > content.MaxSymbols*elffile.SymbolBytes || symbols.Size%elffile.SymbolBytes != 0 {
		return nil, nil, s.refuse("the dynamic symbol table is malformed or too large")
	}
	return symbols, &sections[symbols.Link], nil
}

// definedNames lists, in order, where in the string table the names of defined symbols begin.
func (s Source) definedNames(table elffile.Section) ([]uint32, error) {
	r, closer, err := s.at(table.Offset, table.Size)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	buffered := bufio.NewReaderSize(r, 64<<10)
	var offsets []uint32
	raw := make([]byte, elffile.SymbolBytes)
	for at := uint64(0); at < table.Size; at += elffile.SymbolBytes {
		if _, err := io.ReadFull(buffered, raw); err != nil {
			return nil, err
		}
		section := elf.SectionIndex(little.Uint16(raw[6:]))
		if section != elf.SHN_UNDEF && elf.ST_BIND(raw[4]) != elf.STB_LOCAL {
			offsets = append(offsets, little.Uint32(raw))
		}
	}
	slices.Sort(offsets)
	return slices.Compact(offsets), nil
}

// matchNames walks the string table once. Names may share their ends, so it looks ahead and goes on from a name's
// start, not from its end.
func (s Source) matchNames(table elffile.Section, offsets []uint32, wanted map[string]bool) error {
	r, closer, err := s.at(table.Offset, table.Size)
	if err != nil {
		return err
	}
	defer closer.Close()
	buffered := bufio.NewReaderSize(r, 2*content.MaxSymbolName)
	var at uint32
	for _, offset := range offsets {
		if _, err := buffered.Discard(int(offset - at)); err != nil {
			return s.refuse("a symbol's name lies outside the string table")
		}
		at = offset
		name, ok := peekName(buffered)
		if !ok {
			return s.refuse("a symbol's name does not end")
		}
		delete(wanted, string(name))
	}
	return nil
}

// peekName looks for the zero that ends a name, in short steps because most names are short.
func peekName(r *bufio.Reader) ([]byte, bool) {
	for length := 256; ; length *= 2 {
		text, err := r.Peek(min(length, content.MaxSymbolName))
		if end := bytes.IndexByte(text, 0); end >= 0 {
			return text[:end], true
		}
		if err != nil || length >= content.MaxSymbolName {
			return nil, false
		}
	}
}
