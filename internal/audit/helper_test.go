package audit

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// file is a member of a wheel that a test writes.
type file struct {
	name string
	data []byte
}

// pack makes a wheel of the files with WHEEL, METADATA and RECORD that agree with its name.
func pack(t testing.TB, name string, files ...file) []byte {
	t.Helper()
	parsed, err := wheel.ParseFilename(name)
	if err != nil {
		t.Fatal(err)
	}
	info := parsed.Distribution + "-" + parsed.Version + ".dist-info"
	headers := "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"
	for _, tag := range parsed.Tags() {
		headers += "Tag: " + tag + "\n"
	}
	if parsed.BuildTag != "" {
		headers += "Build: " + parsed.BuildTag + "\n"
	}
	metadata := "Metadata-Version: 2.1\nName: " + parsed.Distribution + "\nVersion: " + parsed.Version + "\n"
	members := append(membersOf(files), wheeltest.File{Name: info + "/WHEEL", Data: []byte(headers)},
		wheeltest.File{Name: info + "/METADATA", Data: []byte(metadata)})
	record := wheeltest.File{Name: info + "/RECORD", Data: []byte(wheeltest.Record(info, members))}
	return wheeltest.Pack(t, "", append(members, record)...)
}

func membersOf(files []file) []wheeltest.File {
	var members []wheeltest.File
	for _, f := range files {
		members = append(members, wheeltest.File{Name: f.name, Data: f.data})
	}
	return members
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func defaults(t testing.TB) Options {
	t.Helper()
	m, err := matrix.Load("")
	if err != nil {
		t.Fatal(err)
	}
	set, err := kernels.Default()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Matrix: m, Sources: set, Kernels: true}
}

// audited packs a wheel and audits it.
func audited(t testing.TB, options Options, name string, files ...file) *Report {
	t.Helper()
	r, err := Run(write(t, name, pack(t, name, files...)), options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// codes lists the distinct codes of findings of one severity.
func (r *Report) codes(severity finding.Severity) []finding.Code {
	var found []finding.Code
	for _, f := range r.Findings {
		if f.Severity == severity && !slices.Contains(found, f.Code) {
			found = append(found, f.Code)
		}
	}
	slices.Sort(found)
	return found
}

// sharedObject makes an ELF file that has only dynamic symbols: some that it defines and some that it needs.
func sharedObject(defined, undefined []string) []byte {
	symbols, names := make([]byte, 24), []byte{0}
	add := func(name string, section uint16) {
		symbols = binary.LittleEndian.AppendUint32(symbols, uint32(len(names)))
		symbols = append(symbols, elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), 0)
		symbols = binary.LittleEndian.AppendUint16(symbols, section)
		symbols = append(symbols, make([]byte, 16)...)
		names = append(append(names, name...), 0)
	}
	for _, name := range defined {
		add(name, 1)
	}
	for _, name := range undefined {
		add(name, 0)
	}
	return assemble(symbols, names)
}

// assemble lays out header, symbols, names, names of sections and section headers.
func assemble(symbols, names []byte) []byte {
	const headerBytes = 64
	titles := []byte("\x00.dynsym\x00.dynstr\x00.shstrtab\x00")
	at := uint64(headerBytes)
	sections := make([]byte, headerBytes) // the first is empty
	for n, part := range [][]byte{symbols, names, titles} {
		header := elf.Section64{Off: at, Size: uint64(len(part)), Name: []uint32{1, 9, 17}[n]}
		header.Type = uint32([]elf.SectionType{elf.SHT_DYNSYM, elf.SHT_STRTAB, elf.SHT_STRTAB}[n])
		header.Link = []uint32{2, 0, 0}[n]
		header.Entsize = []uint64{24, 0, 0}[n]
		sections, _ = binary.Append(sections, binary.LittleEndian, header)
		at += uint64(len(part))
	}
	header := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: headerBytes,
		Shoff: at, Shentsize: headerBytes, Shnum: 4, Shstrndx: 3,
	}
	copy(header.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	data, _ := binary.Append(nil, binary.LittleEndian, header)
	return slices.Concat(data, symbols, names, titles, sections)
}
