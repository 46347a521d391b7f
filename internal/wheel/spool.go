package wheel

import (
	"bytes"
	"io"
	"os"

	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

const magicBytes = 4

// spool keeps an unpacked member for random access: in memory, or in an unlinked file once it is large. Unless
// all is set it keeps only shared objects, cubins and fatbins, and forgets the rest.
type spool struct {
	expect int64 // final size
	limit  int64 // bytes in memory
	all    bool
	head   bytes.Buffer
	file   *os.File
	ignore bool
	kept   int64
}

func (s *spool) Write(p []byte) (int, error) {
	if s.ignore {
		return len(p), nil
	}
	s.kept += int64(len(p))
	if s.file == nil && s.kept > s.limit {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	if s.file != nil {
		return s.file.Write(p)
	}
	s.head.Write(p)
	if s.kept >= magicBytes && s.kept == int64(len(p)) {
		s.decide()
	}
	return len(p), nil
}

// decide looks at the first bytes: it drops the member, or makes room for all of it.
func (s *spool) decide() {
	if head := s.head.Bytes(); s.all || elffile.Is(head) || object.IsMZ(head) || device.IsFatbin(head) {
		s.head.Grow(max(0, int(min(s.expect, s.limit))-s.head.Len()))
		return
	}
	s.ignore = true
	s.kept = magicBytes
	s.head.Truncate(magicBytes)
}

func (s *spool) size() int64 { return s.kept }

// spill moves what is in memory to a file that has no name and so cannot be left behind.
func (s *spool) spill() error {
	file, err := os.CreateTemp("", "sagebuild-wheel-")
	if err != nil {
		return err
	}
	s.file = file
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	_, err = s.head.WriteTo(file)
	s.head = bytes.Buffer{}
	return err
}

func (s *spool) reader() io.ReaderAt {
	if s.file != nil {
		return s.file
	}
	return bytes.NewReader(s.head.Bytes())
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
