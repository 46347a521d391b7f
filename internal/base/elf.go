package base

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	elfHeaderSize   = 64 // of ELF64
	programSize     = 56
	maxLoadedLength = 1 << 30
)

// stripELF reads a 64-bit little-endian shared object up to the end of what the dynamic loader maps and forgets its
// sections. Debug information comes after that: 180 of the 213 MB of an interpreter's library.
func stripELF(r io.Reader) ([]byte, error) {
	data, err := readMore(r, nil, elfHeaderSize)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) || data[elf.EI_CLASS] != byte(elf.ELFCLASS64) || data[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return nil, errors.New("not a 64-bit little-endian ELF file")
	}
	var header elf.Header64
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, &header); err != nil {
		return nil, err
	}
	if header.Phoff > maxLoadedLength {
		return nil, fmt.Errorf("program headers at %#x are out of bounds", header.Phoff)
	}
	programs := int64(header.Phoff) + int64(header.Phnum)*programSize
	if data, err = readMore(r, data, programs); err != nil {
		return nil, err
	}
	end, err := loadedEnd(data[header.Phoff:programs], header.Phnum)
	if err != nil {
		return nil, err
	}
	if data, err = readMore(r, data, end); err != nil {
		return nil, err
	}
	header.Shoff, header.Shnum, header.Shstrndx = 0, 0, 0
	var edited bytes.Buffer
	if err := binary.Write(&edited, binary.LittleEndian, header); err != nil {
		return nil, err
	}
	copy(data, edited.Bytes())
	return data, nil
}

// loadedEnd is the file offset after the last byte of any program segment.
func loadedEnd(table []byte, count uint16) (int64, error) {
	programs := make([]elf.Prog64, count)
	if err := binary.Read(bytes.NewReader(table), binary.LittleEndian, programs); err != nil {
		return 0, err
	}
	var end uint64
	for _, p := range programs {
		if p.Off > maxLoadedLength || p.Filesz > maxLoadedLength {
			return 0, fmt.Errorf("segment at %#x of %d bytes is out of bounds", p.Off, p.Filesz)
		}
		end = max(end, p.Off+p.Filesz)
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
