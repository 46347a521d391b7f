package base

import (
	"fmt"
	"io"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
)

const maxLoadedLength = 1 << 30

// stripELF reads a 64-bit little-endian shared object up to the end of what the dynamic loader maps and forgets its
// sections. Debug information comes after that: 180 of the 213 MB of an interpreter's library.
func stripELF(r io.Reader) ([]byte, error) {
	data, err := readMore(r, nil, elffile.HeaderBytes)
	if err != nil {
		return nil, err
	}
	header, err := elffile.ParseHeader(data)
	if err != nil {
		return nil, err
	}
	programs := header.Programs
	if programs.Offset > maxLoadedLength {
		return nil, fmt.Errorf("program headers at %#x are out of bounds", programs.Offset)
	}
	tableEnd := programs.Offset + programs.Size()
	if data, err = readMore(r, data, int64(tableEnd)); err != nil {
		return nil, err
	}
	end, err := loadedEnd(elffile.ParsePrograms(data[programs.Offset:tableEnd]))
	if err != nil {
		return nil, err
	}
	if data, err = readMore(r, data, end); err != nil {
		return nil, err
	}
	elffile.ForgetSections(data)
	return data, nil
}

// loadedEnd is the file offset after the last byte of any program segment.
func loadedEnd(programs []elffile.Program) (int64, error) {
	var end uint64
	for _, p := range programs {
		if p.Offset > maxLoadedLength || p.Size > maxLoadedLength {
			return 0, fmt.Errorf("segment at %#x of %s is out of bounds", p.Offset, ui.Count(p.Size, "byte"))
		}
		end = max(end, p.Offset+p.Size)
	}
	return int64(end), nil
}

// readMore extends data, the start of what r gave, to length bytes.
func readMore(r io.Reader, data []byte, length int64) ([]byte, error) {
	missing := length - int64(len(data))
	if missing <= 0 {
		return data, nil
	}
	// A header may claim any length; memory is for bytes that are there.
	more, err := io.ReadAll(io.LimitReader(r, missing))
	if err == nil && int64(len(more)) < missing {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ELF file: %w", err)
	}
	return append(data, more...), nil
}
