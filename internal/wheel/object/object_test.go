package object

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

func describe(t testing.TB, data []byte) (Object, error) {
	t.Helper()
	reader, err := open(content.Of(data))
	if err != nil {
		return Object{}, err
	}
	var object Object
	return object, reader.describe(&object, content.NewBudget())
}

func TestObject(t *testing.T) {
	libraries := []string{"libm.so.6", "libc.so.6", "libpthread.so.0"}
	cases := []struct {
		name, glibc string
		needed      []string
		rpath       []string
		stripped    bool
	}{
		{"good.so", "2.2.5", libraries, nil, true},
		{"new_glibc.so", "2.34", libraries[:2], nil, true},
		{"symbols.so", "2.2.5", libraries, []string{"/opt/somewhere"}, false},
	}
	for _, c := range cases {
		object, err := describe(t, wheeltest.Fixture(t, c.name))
		if err != nil || object.GlibcFloor != c.glibc || object.Stripped != c.stripped || !slices.Equal(object.Needed, c.needed) || !slices.Equal(object.RPath, c.rpath) {
			t.Errorf("%s: %+v, error %v", c.name, object, err)
		}
	}
}

func TestObjectUndefinedSymbols(t *testing.T) {
	object, err := describe(t, wheeltest.Fixture(t, "new_glibc.so"))
	want := Undefined{Name: "pthread_create", Version: "GLIBC_2.34", Library: "libc.so.6"}
	if err != nil || !slices.Contains(object.Undefined, want) {
		t.Errorf("%+v, error %v; want %+v", object.Undefined, err, want)
	}
}

// TestObjectAgreesWithDebugELF reads this machine's libraries with both readers.
func TestObjectAgreesWithDebugELF(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"/lib/*-linux-gnu/lib*.so.*", "/usr/lib/*-linux-gnu/libstdc++.so.6", "testdata/*.so"} {
		matches, _ := filepath.Glob(pattern)
		paths = append(paths, matches[:min(len(matches), 20)]...)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil || !elffile.Is(data) {
			continue
		}
		object, err := describe(t, data)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		compareWithDebugELF(t, path, data, object)
	}
}

func compareWithDebugELF(t *testing.T, path string, data []byte, object Object) {
	t.Helper()
	reference, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	needed, _ := reference.ImportedLibraries()
	if !slices.Equal(needed, object.Needed) {
		t.Errorf("%s: needs %v, debug/elf says %v", path, object.Needed, needed)
	}
	symbols, _ := reference.ImportedSymbols()
	if len(symbols) > len(object.Undefined) {
		t.Errorf("%s: %d undefined symbols, debug/elf says %d", path, len(object.Undefined), len(symbols))
	}
	for _, symbol := range symbols {
		same := func(u Undefined) bool {
			return u.Name == symbol.Name && (u.Version == symbol.Version || u.Version == "") && (u.Library == symbol.Library || u.Library == "")
		}
		if !slices.ContainsFunc(object.Undefined, same) {
			t.Errorf("%s: %+v is not among the undefined symbols", path, symbol)
		}
	}
}

func TestFloor(t *testing.T) {
	versions := []SymbolVersion{{Version: "GLIBC_2.9"}, {Version: "GLIBC_2.17"}, {Version: "GLIBC_PRIVATE"}, {Version: "GLIBCXX_3.4.30"}, {Version: "CXXABI_1.3.9"}}
	for prefix, want := range map[string]string{"GLIBC_": "2.17", "GLIBCXX_": "3.4.30", "CXXABI_": "1.3.9", "GCC_": ""} {
		if got := floor(versions, prefix); got != want {
			t.Errorf("%s: %q, want %q", prefix, got, want)
		}
	}
	if got := floor(append(versions, SymbolVersion{Version: "GLIBC_ABI_DT_RELR"}), "GLIBC_"); got != "2.36" {
		t.Errorf("relative relocations: %q, want 2.36", got)
	}
}
