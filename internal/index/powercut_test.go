package index

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/internal/durable/powercut"
	"github.com/sagebuild/sagebuild/internal/sums"
)

// whole says whether SHA256SUMS lists exactly the files of a site and the hashes that they have.
func whole(t *testing.T, site string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(site, sums.File))
	return err == nil && len(text) > 0 && sumsMatch(t, site, string(text))
}

// A power cut at any moment leaves the old site or the new one; without syncs it would not.
func TestPowerCutLeavesAWholeSite(t *testing.T) {
	for _, syncs := range []bool{true, false} {
		disk := powercut.New(t)
		old, next := newPlace(t, of280()), newPlace(t, of280(), cellOf("270.128", "2.7", "312"))
		options := old.options()
		options.Output = filepath.Join(disk.Dir, "site")
		_, err := Build(t.Context(), options)
		must(t, err)
		disk.Settle()
		options.Dist = next.dist
		broken := 0
		cuts := disk.Around(syncs, func() {
			_, err := Build(t.Context(), options)
			must(t, err)
		}, func(dir string) {
			if !whole(t, filepath.Join(dir, "site")) {
				broken++
			}
		})
		t.Logf("%d cuts, syncs: %v, %d broken", cuts, syncs, broken)
		if syncs && (broken > 0 || cuts < 5) {
			t.Errorf("%d of %d cuts left a broken site", broken, cuts)
		}
		if !syncs && broken == 0 {
			t.Errorf("without syncs every cut left a whole site: the test tests nothing")
		}
	}
}
