package object

import (
	"bytes"
	"debug/pe"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
	"github.com/sagebuild/sagebuild/tests/dll"
)

func TestPE(t *testing.T) {
	o, err := describe(t, wheeltest.SampleDLL().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if o.Format != FormatPE || o.Machine != "x86_64" || o.SOName != "sample.dll" || o.Timestamp != 1_700_000_000 || o.Repeatable || !o.Stripped {
		t.Errorf("%+v", o)
	}
	if !slices.Equal(o.Needed, []string{"KERNEL32.dll", "WS2_32.dll"}) || !slices.Equal(o.Delayed, []string{"nvcuda.dll"}) {
		t.Errorf("needs %q, delayed %q", o.Needed, o.Delayed)
	}
	want := []Undefined{
		{Name: "CreateThread", Library: "KERNEL32.dll"}, {Name: "Sleep", Library: "KERNEL32.dll"}, {Name: "#23", Library: "WS2_32.dll"},
		{Name: "connect", Library: "WS2_32.dll"}, {Name: "cuInit", Library: "nvcuda.dll"}, {Name: "#7", Library: "nvcuda.dll"},
	}
	if !slices.Equal(o.Undefined, want) || !slices.Equal(o.Exported, []string{"alpha", "middle", "zeta"}) {
		t.Errorf("undefined %+v, exported %q", o.Undefined, o.Exported)
	}
	if o.PDB != `D:\a\_work\sample.pdb` || !o.HasBuildPath() {
		t.Errorf("PDB %q", o.PDB)
	}
}

// TestPEAgreesWithDebugPE compares imports by name with the standard library, whose reader skips numbers and knows no exports.
func TestPEAgreesWithDebugPE(t *testing.T) {
	matches, _ := filepath.Glob("testdata/*.dll")
	for _, path := range matches {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		o, err := describe(t, data)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		reference, err := pe.NewFile(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, u := range o.Undefined {
			found = append(found, u.Name+":"+u.Library)
		}
		want, err := reference.ImportedSymbols()
		if err != nil || !slices.Equal(found, want) || o.Timestamp != reference.TimeDateStamp {
			t.Errorf("%s: imports %q, debug/pe says %q, error %v", path, found, want, err)
		}
	}
}

// TestPELongSectionNames wants names behind the symbol table, which also makes the file unstripped.
func TestPELongSectionNames(t *testing.T) {
	names := []byte("\x00\x00\x00\x00.debug_info\x00.nv_fatbin\x00")
	sample := wheeltest.SampleDLL()
	sample.Sections = []dll.Section{{Name: "/4", Data: []byte("x")}, {Name: "/16", Data: wheeltest.Fixture(t, "size.fatbin")}}
	data := sample.Bytes()
	symbols := uint32(len(data))
	little.PutUint32(data[0x40+12:], symbols)
	little.PutUint32(data[0x40+16:], 1)
	data = slices.Concat(data, make([]byte, peSymbolBytes), names)
	o, sections, err := Read("long.dll", content.Of(data), content.NewBudget())
	if err != nil || !slices.ContainsFunc(sections, func(s Section) bool { return s.Name == ".nv_fatbin" }) {
		t.Fatalf("%+v, error %v", sections, err)
	}
	if o.Stripped || !o.DebugInfo || !o.SymbolTable {
		t.Errorf("%+v", o)
	}
	little.PutUint32(data[0x40+12:], symbols+1<<30)
	if _, err := describe(t, data); !isRefusal(err) {
		t.Errorf("names outside of the file: %v", err)
	}
}

// TestPERefuses damages single fields of a file that is fine.
func TestPERefuses(t *testing.T) {
	const optional, table = 0x40 + 24, 0x40 + 24 + 240
	for name, damage := range map[string]func(data []byte) []byte{
		"cut header":          func(d []byte) []byte { return d[:0x80] },
		"cut file":            func(d []byte) []byte { return d[:headersOf(d)+16] },
		"no signature":        func(d []byte) []byte { d[0x40] = 'N'; return d },
		"signature outside":   func(d []byte) []byte { little.PutUint32(d[0x3c:], 1<<31); return d },
		"32 bits":             func(d []byte) []byte { little.PutUint16(d[optional:], 0x10b); return d },
		"too many sections":   func(d []byte) []byte { little.PutUint16(d[0x46:], 0xffff); return d },
		"short optional":      func(d []byte) []byte { little.PutUint16(d[0x54:], 100); return d },
		"offset in a sector":  func(d []byte) []byte { little.PutUint32(d[table+20:], 0x401); return d },
		"imports outside":     func(d []byte) []byte { little.PutUint32(d[optional+112+8:], 1<<30); return d },
		"exports outside":     func(d []byte) []byte { little.PutUint32(d[optional+112:], 1<<30); return d },
		"exports cut":         func(d []byte) []byte { little.PutUint32(d[optional+112+4:], 44); return d },
		"debug outside":       func(d []byte) []byte { little.PutUint32(d[optional+112+48:], 1<<30); return d },
		"imports without end": func(d []byte) []byte { little.PutUint32(d[optional+112+8:], 0x1001); return d },
		"section beyond": func(d []byte) []byte {
			little.PutUint32(d[table+16:], 1<<30)
			little.PutUint32(d[table+8:], 1<<30)
			return d
		},
		"addresses that leave": func(d []byte) []byte { little.PutUint32(d[headersOf(d)+32:], 1<<30); return d },
	} {
		if _, err := describe(t, damage(wheeltest.SampleDLL().Bytes())); !isRefusal(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func headersOf(data []byte) int { return int(little.Uint32(data[0x40+24+60:])) }

// TestPEOverlap wants sections at rising addresses: where two overlap, an address would have two meanings.
func TestPEOverlap(t *testing.T) {
	sample := wheeltest.SampleDLL()
	sample.Sections = []dll.Section{{Name: ".text", Data: []byte("x")}}
	data := sample.Bytes()
	little.PutUint32(data[0x40+24+240+peSectionBytes+12:], 0x1000)
	if _, err := describe(t, data); !isRefusal(err) {
		t.Errorf("error %v", err)
	}
}

// TestPESharedImports lets many records name one table of symbols: memory must not grow with their product.
func TestPESharedImports(t *testing.T) {
	sample := wheeltest.SampleDLL()
	for range 2000 {
		sample.Imports[0].Symbols = append(sample.Imports[0].Symbols, "Sleep")
	}
	for range 2000 {
		sample.Imports = append(sample.Imports, dll.Import{Library: "a.dll"})
	}
	data := sample.Bytes()
	table := headersOf(data) + int(little.Uint32(data[0x40+24+112+8:])) - 0x1000
	for at := table + peImportBytes; little.Uint32(data[at+12:]) != 0; at += peImportBytes {
		copy(data[at:at+4], data[table:])
	}
	o, err := describe(t, data)
	if !isRefusal(err) || len(o.Undefined) > len(data)/peThunkBytes {
		t.Errorf("%d imports of %d bytes, error %v", len(o.Undefined), len(data), err)
	}
}

// TestPEDamage overwrites each field of the headers and tables: errors are welcome, panics are not.
func TestPEDamage(t *testing.T) {
	for _, data := range [][]byte{wheeltest.SampleDLL().Bytes(), wheeltest.Fixture(t, "good.dll")} {
		for at := 0; at+4 <= len(data); at += 4 {
			for _, value := range []uint32{0, 1, 0x1000, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
				damaged := bytes.Clone(data)
				little.PutUint32(damaged[at:], value)
				Read("a.dll", content.Of(damaged), content.NewBudget())
				FindExports(forward("a.dll", damaged), map[string]bool{"alpha": true, "#1": true})
			}
		}
	}
}

func FuzzPE(f *testing.F) {
	f.Add(wheeltest.SampleDLL().Bytes())
	f.Add(wheeltest.Fixture(f, "good.dll"))
	f.Add(wheeltest.Fixture(f, "symbols.dll"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, _, _ := Read("a.dll", content.Of(data), content.NewBudget())
		if o != nil && len(o.Undefined) > content.MaxDynamic*(len(data)/peThunkBytes+1) {
			t.Errorf("%d imports in %d bytes", len(o.Undefined), len(data))
		}
	})
}

// FuzzExports reads the same table at random and as a stream.
func FuzzExports(f *testing.F) {
	f.Add(wheeltest.SampleDLL().Bytes())
	f.Add(wheeltest.Fixture(f, "good.dll"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := describe(t, data)
		if err != nil || o.Format != FormatPE {
			return
		}
		wanted := map[string]bool{}
		for _, name := range o.Exported {
			wanted[name] = true
		}
		if err := FindExports(forward("a.dll", data), wanted); err != nil || len(wanted) != 0 {
			t.Errorf("%d of %d names are left, error %v", len(wanted), len(o.Exported), err)
		}
	})
}
