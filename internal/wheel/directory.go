package wheel

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Signatures and fixed sizes of zip records (APPNOTE.TXT 4.3).
const (
	signatureLocal     = 0x04034b50
	signatureCentral   = 0x02014b50
	signatureEnd64     = 0x06064b50
	signatureLocator64 = 0x07064b50

	localBytes     = 30
	centralBytes   = 46
	endBytes       = 22
	end64Bytes     = 56
	locator64Bytes = 20
)

var little = binary.LittleEndian

// directory is where the central directory lies and how many members it lists.
type directory struct {
	offset, length int64
	records        uint64
	end            int64 // where the end records begin
	comment        int   // bytes of archive comment
}

// findDirectory reads the end of central directory record, in its 64-bit form where there is one.
func findDirectory(r io.ReaderAt, size int64) (directory, error) {
	tail, err := readTail(r, size)
	if err != nil {
		return directory{}, err
	}
	at := endRecord(tail)
	if at < 0 {
		return directory{}, finding.Refuse(finding.CodeZipFormat, "", "not a zip file, or cut short: it has no end of central directory")
	}
	end := tail[at:]
	dir := directory{
		offset:  int64(little.Uint32(end[16:])),
		length:  int64(little.Uint32(end[12:])),
		records: uint64(little.Uint16(end[10:])),
		end:     size - int64(len(end)),
		comment: len(end) - endBytes,
	}
	if little.Uint16(end[4:]) != little.Uint16(end[6:]) || little.Uint16(end[8:]) != little.Uint16(end[10:]) {
		return directory{}, finding.Refuse(finding.CodeZipFormat, "", "the zip file is split over several disks")
	}
	if dir.offset == 0xffffffff || dir.length == 0xffffffff || dir.records == 0xffff {
		if err := dir.read64(r); err != nil {
			return directory{}, err
		}
	}
	return dir, dir.check()
}

// readTail returns the bytes that can hold the end record: the comment of that record has at most 65,535 bytes.
func readTail(r io.ReaderAt, size int64) ([]byte, error) {
	tail := make([]byte, min(size, endBytes+0xffff))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return nil, err
	}
	return tail, nil
}

// endRecord returns the position of the end record in tail, or -1. The record's comment must end where tail ends.
func endRecord(tail []byte) int {
	signature := []byte("PK\x05\x06") // end of central directory
	for rest := tail; ; {
		at := bytes.LastIndex(rest, signature)
		if at < 0 {
			return -1
		}
		if at+endBytes <= len(tail) && at+endBytes+int(little.Uint16(tail[at+20:])) == len(tail) {
			return at
		}
		rest = rest[:at]
	}
}

// read64 replaces the fields by the fields of the 64-bit record, if the file has that record.
func (d *directory) read64(r io.ReaderAt) error {
	locator := make([]byte, locator64Bytes)
	if d.end < locator64Bytes+end64Bytes || content.ReadFull(r, locator, d.end-locator64Bytes) != nil {
		return nil
	}
	if little.Uint32(locator) != signatureLocator64 {
		return nil
	}
	at := d.end - locator64Bytes - end64Bytes
	record := make([]byte, end64Bytes)
	if err := content.ReadFull(r, record, at); err != nil {
		return err
	}
	if little.Uint64(locator[8:]) != uint64(at) || little.Uint32(record) != signatureEnd64 || little.Uint64(record[4:]) != end64Bytes-12 {
		return finding.Refuse(finding.CodeZipFormat, "", "the 64-bit end of central directory is malformed")
	}
	d.records = little.Uint64(record[32:])
	d.length = content.Clamp(little.Uint64(record[40:]))
	d.offset = content.Clamp(little.Uint64(record[48:]))
	d.end = at
	return nil
}

func (d *directory) check() error {
	if d.length > content.MaxDirectoryBytes || d.records > content.MaxMembers {
		return finding.Refuse(finding.CodeZipLimit, "", "%s in a directory of %s are more than a wheel may have", ui.Count(d.records, "member"), ui.Count(d.length, "byte"))
	}
	if d.offset > d.end || d.length != d.end-d.offset {
		return finding.Refuse(finding.CodeZipFormat, "", "the central directory does not end where the zip's end record begins")
	}
	return nil
}
