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
	powercut.Try(t, 5, func(disk *powercut.Disk) (change func(), isWhole func(dir string) bool) {
		old, next := newPlace(t, of280()), newPlace(t, of280(), cellOf("270.128", "2.7", "312"))
		options := old.options()
		options.Output = filepath.Join(disk.Dir, "site")
		build := func() {
			_, err := Build(t.Context(), options)
			must(t, err)
		}
		build()
		options.Dist = next.dist
		return build, func(dir string) bool { return whole(t, filepath.Join(dir, "site")) }
	})
}
