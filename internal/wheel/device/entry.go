package device

import (
	"fmt"
	"strings"

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
	kindConcatenated   Kind = "concatenated" // entries that are packed together; reported where they cannot be read
)

var kinds = map[uint16]Kind{
	0x1: KindPTX, 0x2: KindCubin, 0x4: KindOldCubin, 0x8: KindLTO, 0x20: KindIndex,
	0x40: KindRelocatablePTX, 0x80: KindTile, 0x100: kindConcatenated,
}

// known reports whether cuobjdump's labels have the kind too.
func (k Kind) known() bool { return !strings.HasPrefix(string(k), "0x") }

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

// parseEntries reads the entries of a container. Concatenated entries stand in the place of the one that wraps them.
func parseEntries(c content.Content, left *content.Budget) ([]Entry, error) {
	var entries []Entry
	err := eachEntry(c, left, func(header []byte, payload content.Content) error {
		entries = append(entries, parseEntry(header, payload, left)...)
		return nil
	})
	return entries, err
}

// eachEntry walks the entries of a container, each with its whole header and the payload that follows.
func eachEntry(c content.Content, left *content.Budget, visit func(header []byte, payload content.Content) error) error {
	for at := uint64(0); at < uint64(c.Size); {
		if !left.TakeEntry() {
			return finding.Refuse(finding.CodeFatbinFormat, "", "there are more than %d fatbin entries", content.MaxEntries)
		}
		header := make([]byte, entryHeaderBytes)
		if content.ReadFull(c.R, header, int64(at)) != nil {
			return finding.Refuse(finding.CodeFatbinFormat, "", "a fatbin entry is cut short")
		}
		length, stored := uint64(little.Uint32(header[4:])), little.Uint64(header[8:])
		payload, ok := c.Slice(at+length, stored)
		if !ok || length < entryHeaderBytes || length > maxEntryHeader {
			return finding.Refuse(finding.CodeFatbinFormat, "", "a fatbin entry reaches beyond the end of its fatbin")
		}
		whole, _ := c.Slice(at, length)
		header, _ = whole.Bytes(maxEntryHeader)
		if err := visit(header, payload); err != nil {
			return err
		}
		at += length + stored
	}
	return nil
}

// parseEntry reads one entry: usually one, several where it wraps others.
func parseEntry(header []byte, payload content.Content, left *content.Budget) []Entry {
	entry := entryOf(header)
	entry.Stored, entry.Size = payload.Size, payload.Size
	packed, err := entry.setCompression(header, payload)
	switch {
	case err != nil:
	case entry.Kind == kindConcatenated:
		var inside []Entry
		if inside, err = entry.readConcatenated(header, packed, left); err == nil {
			return inside
		}
	case entry.Kind == KindCubin:
		err = entry.readCubin(packed, left)
	}
	if err != nil {
		entry.errors = append(entry.errors, err)
	}
	return []Entry{entry}
}

// entryOf reads the fields that the header of an entry and a row of concatenated entries have at the same places.
func entryOf(header []byte) Entry {
	number := little.Uint16(header)
	entry := Entry{
		Kind:    kinds[number],
		Version: fmt.Sprintf("%d.%d", little.Uint16(header[26:]), little.Uint16(header[24:])),
		Flags:   little.Uint64(header[40:]),
	}
	if entry.Kind == "" {
		entry.Kind = Kind(fmt.Sprintf("0x%x", number))
	}
	entry.Arch = archOf(little.Uint32(header[28:]), suffixOf(entry.Flags))
	return entry
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
