package wheel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// part is what one member adds to its wheel.
type part struct {
	wheel    Wheel // of which only the lists and headers are set
	problems findings
	record   []byte // the content of RECORD
	err      error  // bytes that cannot be unpacked
}

// readMembers reads all files, a few side by side, and returns them in the order of the archive. After an error it
// starts no further one.
func (w *Wheel) readMembers(a *archive) []*part {
	var group sync.WaitGroup
	var failed atomic.Bool
	slots := make(chan bool, min(runtime.GOMAXPROCS(0), maxReaders))
	var parts []*part
	for _, m := range a.members {
		slots <- true
		if failed.Load() {
			break
		}
		if m.isDirectory() {
			<-slots
			continue
		}
		p := &part{wheel: Wheel{DistInfo: w.DistInfo, budget: w.budget}}
		parts = append(parts, p)
		group.Go(func() {
			defer func() { <-slots }()
			var content []byte
			content, p.err = p.wheel.readMember(a, m, &p.problems)
			if p.err != nil {
				failed.Store(true)
			}
			if m.name == w.DistInfo+"/RECORD" {
				p.record = content
			}
		})
	}
	group.Wait()
	return parts
}

// join adds what a member holds.
func (w *Wheel) join(p *part) {
	w.Members = append(w.Members, p.wheel.Members...)
	w.Objects = append(w.Objects, p.wheel.Objects...)
	w.Fatbins = append(w.Fatbins, p.wheel.Fatbins...)
	w.Cubins = append(w.Cubins, p.wheel.Cubins...)
	switch p.wheel.Members[0].Name {
	case w.DistInfo + "/WHEEL":
		w.Info = p.wheel.Info
	case w.DistInfo + "/METADATA":
		w.Metadata = p.wheel.Metadata
	}
}

// readMember unpacks one member, hashes it and reads it by what its first bytes say. It returns the content of
// RECORD. Damage inside the member is a problem; the error is for bytes that cannot be unpacked.
func (w *Wheel) readMember(a *archive, m *member, problems *findings) ([]byte, error) {
	keep := &spool{expect: m.size, limit: memoryBytes, all: path.Dir(m.name) == w.DistInfo, ignore: m.method == methodStore}
	defer keep.close()
	hash := sha256.New()
	if err := a.copyTo(io.MultiWriter(hash, keep), m); err != nil {
		return nil, err
	}
	record := Member{Name: m.name, Size: m.size, Compressed: m.compressed}
	hash.Sum(record.sum[:0])
	record.SHA256 = hex.EncodeToString(record.sum[:])
	w.Members = append(w.Members, record)
	return w.readContent(m.name, a.content(m, keep), problems), nil
}

// content gives access to an unpacked member: where it is stored plainly, in the wheel itself.
func (a *archive) content(m *member, keep *spool) content {
	if m.method == methodStore {
		return content{io.NewSectionReader(a.reader, m.data, m.size), m.size}
	}
	return content{keep.reader(), keep.size()}
}

// content is random access to an unpacked member.
type content struct {
	r    io.ReaderAt
	size int64
}

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

// readContent sends a member to the reader of its format.
func (w *Wheel) readContent(name string, c content, problems *findings) []byte {
	if w.DistInfo != "" && path.Dir(name) == w.DistInfo {
		return w.readDistInfo(path.Base(name), c, problems)
	}
	head := c.magic()
	switch {
	case isCubin(head[:]):
		cubin, err := readCubin(c)
		if err != nil {
			*problems = append(*problems, findingOf(err, CodeCubinFormat, name))
		}
		cubin.Member = name
		w.Cubins = append(w.Cubins, cubin)
	case isELF(head[:]), isMZ(head[:]) && path.Ext(name) != ".exe" && isPE(c):
		w.readObject(name, c, problems)
	case isFatbin(head[:]) || path.Ext(name) == ".fatbin":
		w.readFatbins(name, "", c, problems)
	case path.Ext(name) == ".cubin":
		problems.fail(CodeCubinFormat, name, "it is no ELF file for a GPU")
	case path.Ext(name) == ".so":
		problems.fail(CodeObjectFormat, name, "it is no ELF file")
	case isDLL(name):
		problems.fail(CodeObjectFormat, name, "it is no PE file")
	}
	return nil
}

// isDLL knows the names of Windows libraries; .pyd is a DLL that Python imports.
func isDLL(name string) bool {
	extension := strings.ToLower(path.Ext(name))
	return extension == ".dll" || extension == ".pyd"
}

// readDistInfo reads WHEEL and METADATA into w and returns the bytes of RECORD.
func (w *Wheel) readDistInfo(base string, c content, problems *findings) []byte {
	limit, code := int64(maxHeaderBytes), CodeHeaderFormat
	if base == "RECORD" {
		limit, code = maxRecordBytes, CodeRecordFormat
	}
	if base != "RECORD" && base != "WHEEL" && base != "METADATA" {
		return nil
	}
	data, ok := c.bytes(limit)
	if !ok {
		problems.fail(code, w.DistInfo+"/"+base, "it has %d bytes, more than the %d a reader takes", c.size, limit)
		return nil
	}
	var err error
	switch base {
	case "WHEEL":
		w.Info, err = ParseInfo(data)
	case "METADATA":
		w.Metadata, err = ParseMetadata(data)
	}
	if err != nil {
		*problems = append(*problems, findingOf(err, code, w.DistInfo+"/"+base))
	}
	return data
}

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
	if head := s.head.Bytes(); s.all || isELF(head) || isMZ(head) || isFatbin(head) {
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
