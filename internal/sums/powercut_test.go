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
	for _, syncs := range []bool{true, false} {
		disk := powercut.New(t)
		publish := func(names ...string) {
			if err := Publish(disk.Dir, names...); err != nil {
				t.Fatal(err)
			}
		}
		text := strings.Repeat("a wheel", 10000)
		publish(put(t, disk.Dir, ".new/a.whl", text))
		disk.Settle()
		broken := 0
		cuts := disk.Around(syncs, func() {
			publish(put(t, disk.Dir, ".new/b.whl.intoto.jsonl", "{}"), put(t, disk.Dir, ".new/b.whl", text))
		}, func(dir string) {
			wheel, err := os.ReadFile(filepath.Join(dir, "b.whl"))
			if !truthful(dir) || err == nil && string(wheel) != text {
				broken++
			}
		})
		t.Logf("%d cuts, syncs: %v, %d broken", cuts, syncs, broken)
		if syncs && (broken > 0 || cuts < 7) {
			t.Errorf("%d of %d cuts left a broken wheel or a false list", broken, cuts)
		}
		if !syncs && broken == 0 {
			t.Error("without syncs no cut broke anything: the test tests nothing")
		}
	}
}
