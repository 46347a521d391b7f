package wheel

import (
	"bytes"
	"io"
)

// content is random access to an unpacked member.
type content struct {
	r    io.ReaderAt
	size int64
}

// contentOf gives access to bytes in memory.
func contentOf(data []byte) content { return content{bytes.NewReader(data), int64(len(data))} }

// slice returns a part of the content, or false if it is not all there.
func (c content) slice(offset, length uint64) (content, bool) {
	if offset > uint64(c.size) || length > uint64(c.size)-offset {
		return content{}, false
	}
	return content{io.NewSectionReader(c.r, int64(offset), int64(length)), int64(length)}, true
}

// bytes reads the whole content, if it has at most limit bytes.
func (c content) bytes(limit int64) ([]byte, bool) {
	if c.size > limit {
		return nil, false
	}
	data := make([]byte, c.size)
	return data, readFull(c.r, data, 0) == nil
}

// magic returns the first bytes, zeros where there are fewer.
func (c content) magic() (head [20]byte) {
	readFull(c.r, head[:min(int64(len(head)), c.size)], 0)
	return head
}

// stringAt reads the string at an offset.
func (c content) stringAt(offset uint64) (string, bool) {
	rest := uint64(c.size) - min(offset, uint64(c.size))
	part, _ := c.slice(uint64(c.size)-rest, min(rest, maxNameBytes))
	data, ok := part.bytes(maxNameBytes)
	end := bytes.IndexByte(data, 0)
	if !ok || end < 0 {
		return "", false
	}
	return string(data[:end]), true
}

// piece is a named part of a file.
type piece struct {
	name string
	content
}

// readFull fills the buffer from an offset on.
func readFull(r io.ReaderAt, buffer []byte, offset int64) error {
	n, err := r.ReadAt(buffer, offset)
	if n == len(buffer) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// clampOffset keeps 64-bit fields of a file from turning negative.
func clampOffset(v uint64) int64 { return int64(min(v, 1<<62)) }
