package wheel

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// forward hides that bytes.Reader seeks, as a deflated member cannot.
func forward(name string, data []byte) Source {
	return Source{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// TestFindExports wants the names that the random access reader lists, from a file and from a stream.
func TestFindExports(t *testing.T) {
	for _, name := range []string{"good.so", "symbols.so", "new_glibc.so"} {
		data := fixture(t, name)
		object, err := describe(t, data)
		if err != nil || len(object.Exported) == 0 || len(object.Undefined) == 0 {
			t.Fatalf("%s: %d exported, %d undefined, error %v", name, len(object.Exported), len(object.Undefined), err)
		}
		wanted := map[string]bool{"absent": true, object.Undefined[0].Name: true}
		for _, exported := range object.Exported {
			wanted[exported] = true
		}
		if err := FindExports(forward(name, data), wanted); err != nil || len(wanted) != 2 || !wanted["absent"] {
			t.Errorf("%s: %v are left, error %v", name, wanted, err)
		}
	}
}

func TestFindExportsRefuses(t *testing.T) {
	good := fixture(t, "good.so")
	for name, data := range map[string][]byte{"empty": nil, "text": []byte("#!/bin/sh"), "short": good[:len(good)/2]} {
		if err := FindExports(forward(name, data), map[string]bool{}); !isRefusal(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestLibraries finds the same objects in a directory, in the directory above and in a wheel.
func TestLibraries(t *testing.T) {
	s := goodWheel(t)
	dir := filepath.Join(t.TempDir(), "torch")
	lib := filepath.Join(dir, "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	writeTo(t, filepath.Join(lib, "libsageattn.so"), s.data(libraryName))
	writeTo(t, filepath.Join(lib, "README"), []byte("text"))
	for _, path := range []string{dir, lib, s.write(t)} {
		sources, closer, err := Libraries(path)
		if err != nil || len(sources) != 1 {
			t.Fatalf("%s: %d libraries, error %v", path, len(sources), err)
		}
		wanted := map[string]bool{"fixture": true, "absent": true}
		if err := FindExports(sources[0], wanted); err != nil || len(wanted) != 1 || !wanted["absent"] {
			t.Errorf("%s: %v are left, error %v", path, wanted, err)
		}
		closer.Close()
	}
	if _, _, err := Libraries(filepath.Join(dir, "absent")); err == nil {
		t.Error("a missing directory is no error")
	}
}

func writeTo(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzFindExports(f *testing.F) {
	f.Add(fixture(f, "good.so"))
	f.Add(fixture(f, "symbols.so"))
	f.Fuzz(func(t *testing.T, data []byte) {
		FindExports(forward("a.so", data), map[string]bool{"main": true})
	})
}

// isRefusal tells bytes that were refused from bytes that could not be read.
func isRefusal(err error) bool {
	var refusal *FormatError
	return errors.As(err, &refusal)
}
