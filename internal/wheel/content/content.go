// Package content is bounded random access to untrusted bytes: the files of a wheel and parts of these files, with
// every bound on the work that the bytes may make a reader do.
package content

import (
	"bytes"
	"io"
)

// Content is random access to an unpacked member.
type Content struct {
	R    io.ReaderAt
	Size int64
}

// Of gives access to bytes in memory.
func Of(data []byte) Content { return Content{bytes.NewReader(data), int64(len(data))} }

// Slice returns a part of the content, or false if the content does not hold the whole part.
func (c Content) Slice(offset, length uint64) (Content, bool) {
	if offset > uint64(c.Size) || length > uint64(c.Size)-offset {
		return Content{}, false
	}
	return Content{io.NewSectionReader(c.R, int64(offset), int64(length)), int64(length)}, true
}

// Bytes reads the whole content, if the content has at most limit bytes.
func (c Content) Bytes(limit int64) ([]byte, bool) {
	if c.Size > limit {
		return nil, false
	}
	data := make([]byte, c.Size)
	return data, ReadFull(c.R, data, 0) == nil
}

// Magic returns the first bytes, zeros where there are fewer.
func (c Content) Magic() (head [20]byte) {
	ReadFull(c.R, head[:min(int64(len(head)), c.Size)], 0)
	return head
}

// StringAt reads the string at an offset.
func (c Content) StringAt(offset uint64) (string, bool) {
	rest := uint64(c.Size) - min(offset, uint64(c.Size))
	part, _ := c.Slice(uint64(c.Size)-rest, min(rest, MaxNameBytes))
	data, ok := part.Bytes(MaxNameBytes)
	end := bytes.IndexByte(data, 0)
	if !ok || end < 0 {
		return "", false
	}
	return string(data[:end]), true
}

// Piece is a named part of a file.
type Piece struct {
	Name string
	Content
}

// ReadFull fills the buffer from an offset on.
func ReadFull(r io.ReaderAt, buffer []byte, offset int64) error {
	n, err := r.ReadAt(buffer, offset)
	if n == len(buffer) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Clamp keeps 64-bit fields of a file from turning negative.
func Clamp(v uint64) int64 { return int64(min(v, 1<<62)) }
