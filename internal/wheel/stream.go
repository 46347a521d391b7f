package wheel

import (
	"bufio"
	"bytes"
	"cmp"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// readLocal checks a member's local header against the central directory and finds its data.
func (a *archive) readLocal(m *member) error {
	var raw [localBytes + content.MaxNameBytes]byte
	head := raw[:localBytes+len(m.name)]
	if err := content.ReadFull(a.reader, head, m.header); err != nil {
		return finding.Refuse(finding.CodeZipFormat, m.name, "the local header lies outside the file")
	}
	if little.Uint32(head) != signatureLocal || int(little.Uint16(head[26:])) != len(m.name) || string(head[localBytes:]) != m.name {
		return finding.Refuse(finding.CodeZipMismatch, m.name, "the local header names another file than the central directory")
	}
	if little.Uint16(head[8:]) != m.method || little.Uint16(head[6:])&flagDescriptor != m.flags&flagDescriptor {
		return finding.Refuse(finding.CodeZipMismatch, m.name, "local header and central directory differ in method or flags")
	}
	m.data = m.header + int64(len(head)) + int64(little.Uint16(head[28:]))
	m.end = m.data + m.compressed
	if m.compressed > a.size || m.end > a.size {
		return finding.Refuse(finding.CodeZipFormat, m.name, "the data reach beyond the end of the file")
	}
	return m.checkLocalSizes(head)
}

// checkLocalSizes compares CRC and sizes where the local header has them. Both may be zero where a data descriptor
// follows, and the sizes stand for nothing where the extra field holds 64-bit sizes.
func (m *member) checkLocalSizes(head []byte) error {
	crc, compressed, size := little.Uint32(head[14:]), little.Uint32(head[18:]), little.Uint32(head[22:])
	if m.flags&flagDescriptor != 0 && crc == 0 && compressed == 0 && size == 0 {
		return nil
	}
	same := func(local uint32, central int64) bool { return local == 0xffffffff || int64(local) == central }
	if crc != m.crc || !same(compressed, m.compressed) || !same(size, m.size) {
		return finding.Refuse(finding.CodeZipMismatch, m.name, "local header and central directory differ in size or CRC")
	}
	return nil
}

// checkLayout walks the members in file order. It refuses members that overlap, and reports bytes between members.
func (a *archive) checkLayout(dir directory) error {
	order := slices.Clone(a.members)
	slices.SortStableFunc(order, func(x, y *member) int { return cmp.Compare(x.header, y.header) })
	var at int64
	for i, m := range order {
		if m.header < at {
			return finding.Refuse(finding.CodeZipBomb, m.name, "overlaps the member before it")
		}
		if m.header > at {
			a.hidden.Fail(finding.CodeZipHidden, m.name, "what lies before this member belongs to no file: %s", ui.Count(m.header-at, "byte"))
		}
		next := dir.offset
		if i+1 < len(order) {
			next = order[i+1].header
		}
		var err error
		if at, err = m.skipDescriptor(a.reader, next); err != nil {
			return err
		}
	}
	if at > dir.offset {
		return finding.Refuse(finding.CodeZipBomb, "", "members overlap the central directory")
	}
	if at < dir.offset {
		a.hidden.Fail(finding.CodeZipHidden, "", "what lies before the central directory belongs to no file: %s", ui.Count(dir.offset-at, "byte"))
	}
	if dir.comment > 0 {
		a.hidden.Fail(finding.CodeZipHidden, "", "the zip carries a comment of %s", ui.Count(dir.comment, "byte"))
	}
	return nil
}

// skipDescriptor returns where the member ends. A data descriptor, where there is one, must repeat what the central
// directory says; of its four forms (with or without signature, 32 or 64-bit sizes) the one that fills the gap
// to the next member is preferred.
func (m *member) skipDescriptor(r io.ReaderAt, next int64) (int64, error) {
	if m.flags&flagDescriptor == 0 {
		return m.end, nil
	}
	end := int64(-1)
	for _, form := range m.descriptors() {
		raw := make([]byte, len(form))
		if content.ReadFull(r, raw, m.end) != nil || !bytes.Equal(raw, form) {
			continue
		}
		if end < 0 || m.end+int64(len(form)) == next {
			end = m.end + int64(len(form))
		}
	}
	if end < 0 {
		return 0, finding.Refuse(finding.CodeZipMismatch, m.name, "data descriptor and central directory differ")
	}
	return end, nil
}

// descriptors returns the four forms that a right descriptor can have.
func (m *member) descriptors() [][]byte {
	crc := little.AppendUint32(nil, m.crc)
	short := little.AppendUint32(little.AppendUint32(crc[:4:4], uint32(m.compressed)), uint32(m.size))
	long := little.AppendUint64(little.AppendUint64(crc[:4:4], uint64(m.compressed)), uint64(m.size))
	signature := []byte("PK\x07\x08")
	return [][]byte{
		append(signature[:4:4], short...), append(signature[:4:4], long...), short, long,
	}
}

// checkSizes refuses archives that unpack to far more than they hold.
func (a *archive) checkSizes() error {
	var total int64
	for _, m := range a.members {
		if m.size > content.RatioFreeSize && m.size/content.MaxRatio > m.compressed {
			return finding.Refuse(finding.CodeZipBomb, m.name, "unpacks from %s to %d", ui.Count(m.compressed, "byte"), m.size)
		}
		if m.method == methodStore && m.size != m.compressed || m.isDirectory() && m.size != 0 {
			return finding.Refuse(finding.CodeZipMismatch, m.name, "cannot unpack from %s to %d", ui.Count(m.compressed, "byte"), m.size)
		}
		if m.size > content.MaxUnpackedBytes-total {
			return finding.Refuse(finding.CodeZipLimit, m.name, "the wheel unpacks to more than %d bytes", int64(content.MaxUnpackedBytes))
		}
		total += m.size
	}
	if total > content.RatioFreeSize && total/content.MaxRatio > a.size {
		return finding.Refuse(finding.CodeZipBomb, "", "unpacks from %s to %d", ui.Count(a.size, "byte"), total)
	}
	return nil
}

// copyTo unpacks a member into w and checks its length and CRC. It never writes more than the member's size.
func (a *archive) copyTo(w io.Writer, m *member) error {
	packed := bufio.NewReaderSize(io.NewSectionReader(a.reader, m.data, m.compressed), 64<<10)
	var unpacked io.Reader = packed
	if m.method == methodDeflate {
		unpacked = flate.NewReader(packed)
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(unpacked, m.size))
	if err != nil {
		return streamError(m, err)
	}
	if rest, err := unpacked.Read(make([]byte, 1)); rest != 0 || err != io.EOF {
		return finding.Refuse(finding.CodeZipChecksum, m.name, "announces %s and unpacks to more", ui.Count(m.size, "byte"))
	}
	if n != m.size || sum.Sum32() != m.crc {
		return finding.Refuse(finding.CodeZipChecksum, m.name, "length or CRC of the data is wrong")
	}
	if _, err := packed.ReadByte(); err != io.EOF {
		return finding.Refuse(finding.CodeZipHidden, m.name, "bytes follow the end of the compressed data")
	}
	return nil
}

// streamError tells damaged data from a destination that cannot be written.
func streamError(m *member, err error) error {
	if _, corrupt := err.(flate.CorruptInputError); corrupt || err == io.ErrUnexpectedEOF {
		return finding.Refuse(finding.CodeZipChecksum, m.name, "the compressed data are damaged: %w", err)
	}
	return err
}

func inflate(packed io.Reader) io.Reader { return flate.NewReader(bufio.NewReaderSize(packed, 64<<10)) }
