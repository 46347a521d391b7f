package device

import (
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Entries that fatbinary --concat packs together (CUDA 13.5) are one payload, compressed as a whole. The header of the entry
// that wraps them ends in a table: the number of rows, the bytes of the table, and a row for each. A row has the fields of an
// entry's header at their places, but for where the code begins in the unpacked payload, and its size. NVIDIA describes none
// of this: it is what concat.fatbin holds, and what cuobjdump 13.5 lists of it.
const (
	concatenatedTable    = entryHeaderBytes // where the table begins
	concatenatedRowsAt   = concatenatedTable + 8
	concatenatedRowBytes = 64
)

// readConcatenated reads the entries that one wraps. Each takes its share of the bytes in the file.
func (e *Entry) readConcatenated(header []byte, packed content.Content, left *content.Budget) ([]Entry, error) {
	if len(header) < concatenatedRowsAt {
		return nil, finding.Refuse(finding.CodeFatbinFormat, "", "concatenated entries have no table")
	}
	rows := header[concatenatedRowsAt:]
	count := little.Uint32(header[concatenatedTable:])
	if uint64(len(rows)) < uint64(count)*concatenatedRowBytes {
		return nil, finding.Refuse(finding.CodeFatbinFormat, "", "the table of concatenated entries is cut short")
	}
	if !left.Spend(e.Size) {
		return nil, finding.Refuse(finding.CodeFatbinFormat, "", "the wheel's device code unpacks to more than %d bytes", int64(content.MaxDeviceBytes))
	}
	plain, err := e.unpack(packed)
	if err != nil {
		return nil, finding.Refuse(finding.CodeFatbinFormat, "", "concatenated entries: %w", err)
	}
	list := make([]Entry, count)
	for at := range list {
		if !left.TakeEntry() {
			return nil, finding.Refuse(finding.CodeFatbinFormat, "", "there are more than %d fatbin entries", content.MaxEntries)
		}
		list[at] = e.concatenated(rows[at*concatenatedRowBytes:], plain, left)
	}
	return list, nil
}

func (e *Entry) concatenated(row []byte, plain content.Content, left *content.Budget) Entry {
	entry := entryOf(row)
	code, ok := plain.Slice(uint64(little.Uint32(row[4:])), little.Uint64(row[8:]))
	entry.Size = code.Size
	if plain.Size > 0 {
		entry.Stored = int64(float64(code.Size) / float64(plain.Size) * float64(e.Stored))
	}
	var err error
	switch {
	case !ok:
		err = finding.Refuse(finding.CodeFatbinFormat, "", "a concatenated entry reaches beyond the end of its payload")
	case entry.Kind == KindCubin:
		err = entry.readCubin(code, left)
	}
	entry.Compression = e.Compression // after the code was read, which is not compressed again
	if err != nil {
		entry.errors = append(entry.errors, err)
	}
	return entry
}
