package wheel

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// reading is what the reader of one member found. Members are read side by side, so each has its own reading; the
// readings join the wheel in the order of the archive.
type reading struct {
	distInfo string
	left     *content.Budget
	compare  *content.Budget // for images, which are compared with CompiledFile; nil where there is none

	member   Member
	images   []imageSum // of a fatbin; nil of other files, and where nothing is compared
	objects  []object.Object
	foreign  []object.Foreign
	fatbins  []device.Fatbin
	cubins   []device.Cubin
	info     *Info     // of WHEEL
	metadata *Metadata // of METADATA
	compiled *Compiled // of CompiledFile
	record   []byte    // the content of RECORD
	problems finding.List
	err      error // bytes that cannot be unpacked
}

// readMembers reads all files, a few side by side, and returns them in the order of the archive. After an error it
// begins no further file.
func (w *Wheel) readMembers(a *archive) []*reading {
	var group errgroup.Group
	group.SetLimit(min(runtime.GOMAXPROCS(0), content.MaxReaders))
	var failed atomic.Bool
	var readings []*reading
	var compare *content.Budget
	if a.member(w.DistInfo+"/"+CompiledFile) != nil {
		compare = content.NewBudget()
	}
	for _, m := range a.members {
		if m.isDirectory() {
			continue
		}
		r := &reading{distInfo: w.DistInfo, left: w.budget, compare: compare}
		readings = append(readings, r)
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			if r.err = r.readMember(a, m); r.err != nil {
				failed.Store(true)
			}
			return nil
		})
	}
	_ = group.Wait()
	return readings
}

// join adds what a member holds.
func (w *Wheel) join(r *reading) {
	w.Members = append(w.Members, r.member)
	if r.images != nil {
		w.images[r.member.Name] = r.images
	}
	w.Objects = append(w.Objects, r.objects...)
	w.Foreign = append(w.Foreign, r.foreign...)
	w.Fatbins = append(w.Fatbins, r.fatbins...)
	w.Cubins = append(w.Cubins, r.cubins...)
	if r.info != nil {
		w.Info = *r.info
	}
	if r.metadata != nil {
		w.Metadata = *r.metadata
	}
	if r.compiled != nil {
		w.Compiled = r.compiled
	}
}

// readMember unpacks one member, hashes it and reads it by what its first bytes say. Damage inside the member is a
// problem; the error is for bytes that cannot be unpacked.
func (r *reading) readMember(a *archive, m *member) error {
	keep := &spool{expect: m.size, limit: content.MemoryBytes, all: path.Dir(m.name) == r.distInfo, ignore: m.method == methodStore}
	defer keep.close()
	hash := sha256.New()
	if err := a.copyTo(io.MultiWriter(hash, keep), m); err != nil {
		return err
	}
	r.member = Member{Name: m.name, Size: m.size, Compressed: m.compressed}
	hash.Sum(r.member.sum[:0])
	r.member.SHA256 = hex.EncodeToString(r.member.sum[:])
	unpacked := a.content(m, keep)
	r.readContent(m.name, unpacked)
	return r.hashImages(unpacked)
}

// content gives access to an unpacked member. A member that is not compressed is read in the wheel itself.
func (a *archive) content(m *member, keep *spool) content.Content {
	if m.method == methodStore {
		return content.Content{R: io.NewSectionReader(a.reader, m.data, m.size), Size: m.size}
	}
	return content.Content{R: keep.reader(), Size: keep.size()}
}

// readContent sends a member to the reader of its format.
func (r *reading) readContent(name string, c content.Content) {
	if r.distInfo != "" && path.Dir(name) == r.distInfo {
		r.readDistInfo(path.Base(name), c)
		return
	}
	head := c.Magic()
	switch {
	case device.IsCubin(head[:]):
		cubin, err := device.ReadCubin(c)
		if err != nil {
			r.problems = append(r.problems, finding.Of(err, finding.CodeCubinFormat, name))
		}
		cubin.Member = name
		r.cubins = append(r.cubins, cubin)
	case r.isForeign(name, c):
	case object.Is(name, c):
		r.readObject(name, c)
	case device.IsFatbin(head[:]) || path.Ext(name) == ".fatbin":
		r.addFatbins(name, "", c)
	default:
		r.checkExtension(name)
	}
}

func (r *reading) isForeign(name string, c content.Content) bool {
	foreign, ok := object.FindForeign(name, c)
	if ok {
		r.foreign = append(r.foreign, foreign)
	}
	return ok
}

// checkExtension reports files whose names promise a format that they do not have.
func (r *reading) checkExtension(name string) {
	switch {
	case path.Ext(name) == ".cubin":
		r.problems.Fail(finding.CodeCubinFormat, name, "it is no ELF file for a GPU")
	case path.Ext(name) == ".so":
		r.problems.Fail(finding.CodeObjectFormat, name, "it is no ELF file")
	case object.IsDLL(name):
		r.problems.Fail(finding.CodeObjectFormat, name, "it is no PE file")
	case path.Ext(name) == ".dylib":
		r.problems.Fail(finding.CodeObjectFormat, name, "it is no Mach-O file")
	}
}

// readObject reads a shared object and the fatbins in its sections.
func (r *reading) readObject(name string, c content.Content) {
	object, sections, err := object.Read(name, c, r.left)
	if err != nil {
		r.problems = append(r.problems, finding.Of(err, finding.CodeObjectFormat, name))
	}
	if object == nil {
		return
	}
	for _, s := range sections {
		switch {
		case !device.FatbinSections[s.Name]:
		case s.Missing:
			r.problems.Fail(finding.CodeFatbinFormat, name, "section %s reaches beyond the end of the file", s.Name)
		default:
			object.DeviceCodeBytes += s.Size
			r.addFatbins(name, s.Name, s.Content)
		}
	}
	r.objects = append(r.objects, *object)
}

func (r *reading) addFatbins(member, section string, c content.Content) {
	fatbins, problems := device.ReadFatbins(member, section, c, r.left)
	r.fatbins = append(r.fatbins, fatbins...)
	r.problems = append(r.problems, problems...)
}

// distInfoFiles are the files of dist-info that are read, with the code of a finding about each and the bytes it may have.
var distInfoFiles = map[string]struct {
	code  finding.Code
	limit int64
}{
	"WHEEL":      {finding.CodeHeaderFormat, content.MaxHeaderBytes},
	"METADATA":   {finding.CodeHeaderFormat, content.MaxHeaderBytes},
	"RECORD":     {finding.CodeRecordFormat, content.MaxRecordBytes},
	CompiledFile: {finding.CodeCompiled, content.MaxHeaderBytes},
}

// readDistInfo reads WHEEL, METADATA, RECORD and what was compiled.
func (r *reading) readDistInfo(base string, c content.Content) {
	file, ok := distInfoFiles[base]
	if !ok {
		return
	}
	code, limit := file.code, file.limit
	data, ok := c.Bytes(limit)
	if !ok {
		r.problems.Fail(code, r.distInfo+"/"+base, "it has %s, more than the %d a reader takes", ui.Count(c.Size, "byte"), limit)
		return
	}
	if err := r.parseDistInfo(base, data); err != nil {
		r.problems = append(r.problems, finding.Of(err, code, r.distInfo+"/"+base))
	}
}

func (r *reading) parseDistInfo(base string, data []byte) error {
	switch base {
	case "WHEEL":
		info, err := ParseInfo(data)
		r.info = &info
		return err
	case "METADATA":
		metadata, err := ParseMetadata(data)
		r.metadata = &metadata
		return err
	case CompiledFile:
		compiled, err := ParseCompiled(data)
		r.compiled = compiled
		return err
	}
	r.record = data
	return nil
}
