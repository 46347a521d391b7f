package device

import (
	"fmt"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Kind is what a fatbin entry holds.
type Kind string

const (
	KindPTX            Kind = "ptx"
	KindCubin          Kind = "cubin"
	KindOldCubin       Kind = "old-cubin"
	KindLTO            Kind = "lto-ir"
	KindIndex          Kind = "index"
	KindRelocatablePTX Kind = "relocatable-ptx"
	KindTile           Kind = "tile-ir"
	kindNested         Kind = "nested" // its payload is a list of entries; never reported
)

var kinds = map[uint16]Kind{
	0x1: KindPTX, 0x2: KindCubin, 0x4: KindOldCubin, 0x8: KindLTO, 0x20: KindIndex,
	0x40: KindRelocatablePTX, 0x80: KindTile, 0x100: kindNested,
}

// Bits of an entry's flags; others are set too, so they are tested one by one.
const (
	flagLZ4            = 0x2000
	flagZSTD           = 0x8000
	flagLTO            = 0x10000
	flagArchSpecific   = 0x100000 // "a"
	flagFamilySpecific = 0x200000 // "f"
)

// Entry is one piece of device code in a fatbin.
type Entry struct {
	Kind        Kind         `json:"kind"`
	Arch        kernels.Arch `json:"arch"`
	Version     string       `json:"version"` // of the code: PTX ISA 8.8, for a cubin 1.7 or 1.8
	Flags       uint64       `json:"flags"`
	Compression string       `json:"compression,omitempty"` // "lz4" or "zstd"
	Stored      int64        `json:"stored"`                // payload bytes in the file, padding included
	Size        int64        `json:"size"`                  // unpacked bytes
	Cubin       *Cubin       `json:"cubin,omitempty"`       // for kind cubin, where its bytes could be read
	errors      []error      // what was wrong with its bytes
}

const (
	entryHeaderBytes = 64
	maxEntryHeader   = 4096
)

// parseEntries reads the entries of a container. The entries of a nested list stand in the place of the list.
func parseEntries(c content.Content, left *content.Budget, depth int) ([]Entry, error) {
	if depth > content.MaxFatbinNesting {
		return nil, finding.Refuse(finding.CodeFatbinFormat, "", "fatbin entries are nested too deep")
	}
	var entries []Entry
	err := eachEntry(c, left, func(header []byte, payload content.Content) error {
		found, err := parseEntry(header, payload, left, depth)
		entries = append(entries, found...)
		return err
	})
	return entries, err
}

// eachEntry walks the entries of a container; payload is what follows an entry's header.
func eachEntry(c content.Content, left *content.Budget, visit func(header []byte, payload content.Content) error) error {
	for at := uint64(0); at < uint64(c.Size); {
		if !left.TakeEntry() {
			return finding.Refuse(finding.CodeFatbinFormat, "", "there are more than %d fatbin entries", content.MaxEntries)
		}
		var header [entryHeaderBytes]byte
		if content.ReadFull(c.R, header[:], int64(at)) != nil {
			return finding.Refuse(finding.CodeFatbinFormat, "", "a fatbin entry is cut short")
		}
		length, stored := uint64(little.Uint32(header[4:])), little.Uint64(header[8:])
		payload, ok := c.Slice(at+length, stored)
		if !ok || length < entryHeaderBytes || length > maxEntryHeader {
			return finding.Refuse(finding.CodeFatbinFormat, "", "a fatbin entry reaches beyond the end of its fatbin")
		}
		if err := visit(header[:], payload); err != nil {
			return err
		}
		at += length + stored
	}
	return nil
}

// parseEntry reads one entry: usually one, several where it wraps others.
func parseEntry(header []byte, payload content.Content, left *content.Budget, depth int) ([]Entry, error) {
	number := little.Uint16(header)
	entry := Entry{
		Kind:    kinds[number],
		Version: fmt.Sprintf("%d.%d", little.Uint16(header[26:]), little.Uint16(header[24:])),
		Flags:   little.Uint64(header[40:]),
		Stored:  payload.Size,
		Size:    payload.Size,
	}
	entry.Arch = archOf(little.Uint32(header[28:]), suffixOf(entry.Flags))
	if entry.Kind == "" {
		entry.Kind = Kind(fmt.Sprintf("0x%x", number))
	}
	if entry.Kind == kindNested {
		return parseEntries(payload, left, depth+1)
	}
	packed, err := entry.setCompression(header, payload)
	if err == nil && entry.Kind == KindCubin {
		err = entry.readCubin(packed, left)
	}
	if err != nil {
		entry.errors = append(entry.errors, err)
	}
	return []Entry{entry}, nil
}

func suffixOf(flags uint64) string {
	switch {
	case flags&flagArchSpecific != 0:
		return "a"
	case flags&flagFamilySpecific != 0:
		return "f"
	}
	return ""
}

// setCompression reads how the payload is packed and returns it without its padding.
func (e *Entry) setCompression(header []byte, payload content.Content) (content.Content, error) {
	switch {
	case e.Flags&flagZSTD != 0:
		e.Compression = "zstd"
	case e.Flags&flagLZ4 != 0:
		e.Compression = "lz4"
	default:
		return payload, nil
	}
	e.Size = content.Clamp(little.Uint64(header[56:]))
	packed, ok := payload.Slice(0, uint64(little.Uint32(header[16:])))
	if !ok {
		return content.Content{}, finding.Refuse(finding.CodeFatbinFormat, "", "the %s entry of SM %s announces more bytes than it has", e.Kind, e.Arch)
	}
	return packed, nil
}

// readCubin reads the image and checks that it is for the SM that the entry names.
func (e *Entry) readCubin(packed content.Content, left *content.Budget) error {
	if !left.Spend(e.Size) {
		return finding.Refuse(finding.CodeCubinFormat, "", "the wheel's cubins unpack to more than %d bytes", int64(content.MaxDeviceBytes))
	}
	image, err := e.unpack(packed)
	if err != nil {
		return finding.Refuse(finding.CodeCubinFormat, "", "the cubin of SM %s: %w", e.Arch, err)
	}
	cubin, err := ReadCubin(image)
	e.Cubin = &cubin
	if err != nil {
		return finding.Refuse(finding.CodeCubinFormat, "", "the cubin of SM %s: %w", e.Arch, err)
	}
	// "f" stands in the entry alone: only the SM must agree.
	if cubin.Arch.SM != e.Arch.SM {
		return finding.Refuse(finding.CodeCubinArch, "", "the entry of SM %s holds a cubin of SM %s", e.Arch, cubin.Arch)
	}
	return nil
}

// archOf splits the decimal SM number of fatbins and cubins: 90 is 9.0, 121 is 12.1.
func archOf(number uint32, suffix string) kernels.Arch {
	return kernels.Arch{SM: matrix.SM{Major: int(number / 10), Minor: int(number % 10)}, Suffix: suffix}
}
