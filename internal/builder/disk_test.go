package builder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// small mounts a file system of a size, such as "size=1m" or "nr_inodes=10".
func small(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skip("cannot mount a small file system: ", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// A full directory of results is named, however BuildKit's transfer of files failed in it.
func TestFullOutput(t *testing.T) {
	requireContainers(t)
	b := openTest(t, Config{State: newState(t)})
	w := newWorld(t, b, buildTool(t))
	for options, hint := range map[string]string{"size=2m": "df -h ", "size=90m,nr_inodes=3": "df -i "} {
		for range 4 { // some lose the error on the way
			place := small(t, options)
			r := w.request("WORKDIR /out/a/b", w.step("fill", "/out/data", "5000000"))
			r.Place, r.Output = place, filepath.Join(place, "out")
			_, err := b.Build(t.Context(), r)
			var e *diag.Error
			if !errors.As(err, &e) || e.Class != diag.Environment || e.Hint != hint+place || !strings.Contains(e.Message, place) {
				t.Errorf("%s: error is %v (%+v), want %s%s", options, err, e, hint, place)
			}
		}
	}
	must(t, b.Close())
}

// A base whose bytes changed, or a cache, is named as damaged, with the command that mends it.
func TestDamagedLayoutIsNamed(t *testing.T) {
	requireContainers(t)
	b := openTest(t, Config{State: newState(t)})
	w := newWorld(t, b, buildTool(t))
	layer := tarLayer(t, map[string]string{"tool": readFile(t, filepath.Join(w.source, "tool")), "note": "1234567"})
	dir, digest := writeImage(t, layer)
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	must(t, err)
	for _, blob := range blobs {
		if sizeOf(t, blob) > 1<<16 {
			must(t, os.Chmod(blob, 0o600))
			change(t, blob, 50, func(b byte) byte { return b ^ 1 })
		}
	}
	_, err = b.Build(t.Context(), w.base("oci-layout://"+dir+"@"+digest))
	var e *diag.Error
	if !errors.As(err, &e) || e.Class != diag.Environment || e.Hint != "rm -r "+dir || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("error is %v, want that the base is damaged", err)
	}
	must(t, b.Close())
}

// Overlay mounts take a list of paths with colons between them, among options with commas.
func TestStatePathsThatMountsCannotName(t *testing.T) {
	for _, name := range []string{"a:b", "a,b"} {
		_, err := Open(t.Context(), Config{State: filepath.Join(t.TempDir(), name)})
		if !errors.Is(err, diag.Usage) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want a usage error that names it", name, err)
		}
	}
}
