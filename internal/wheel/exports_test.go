package wheel

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

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
		if err := object.FindExports(sources[0], wanted); err != nil || len(wanted) != 1 || !wanted["absent"] {
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
