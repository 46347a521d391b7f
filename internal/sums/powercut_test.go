package sums

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/durable/powercut"
)

// truthful says whether SHA256SUMS can be read, and whether each listed file has the hash of its line.
func truthful(dir string) bool {
	sums, err := Read(dir)
	if err != nil {
		return false
	}
	for name, want := range sums {
		if sum, err := digest.File(filepath.Join(dir, name)); err != nil || sum != want {
			return false
		}
	}
	return true
}

// A power cut at any moment leaves whole files and a list without a false line, and loses no file that was published
// before the cut. Without syncs it would lose such files.
func TestPowerCutLeavesWholeWheels(t *testing.T) {
	text := strings.Repeat("a wheel", 10000)
	powercut.Try(t, 7, func(disk *powercut.Disk) (change func(), whole func(dir string) bool) {
		publish := func(names ...string) {
			if _, err := Publish(disk.Dir, names...); err != nil {
				t.Fatal(err)
			}
		}
		publish(put(t, disk.Dir, ".new/a.whl", text))
		change = func() {
			publish(put(t, disk.Dir, ".new/b.whl.intoto.jsonl", "{}"), put(t, disk.Dir, ".new/b.whl", text))
		}
		return change, func(dir string) bool {
			wheel, err := os.ReadFile(filepath.Join(dir, "b.whl"))
			return truthful(dir) && (err != nil || string(wheel) == text)
		}
	})
}
