package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/durable/powercut"
)

// A power cut at any moment leaves the old test results or the new ones, whole; without syncs it would not.
func TestPowerCutLeavesWholeResults(t *testing.T) {
	old, next := strings.Repeat("old", 10000), strings.Repeat("new", 10000)
	powercut.Try(t, 5, func(disk *powercut.Disk) (change func(), whole func(dir string) bool) {
		s, err := newStaging(disk.Dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
		publish := func(name, text string) {
			dir, err := s.target(name)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "junit.xml"), text)
			if _, err := s.publishDir(dir, "test-results/one"); err != nil {
				t.Fatal(err)
			}
		}
		publish("first", old)
		return func() { publish("second", next) }, func(dir string) bool {
			text, err := os.ReadFile(filepath.Join(dir, "test-results", "one", "junit.xml"))
			return err == nil && (string(text) == old || string(text) == next)
		}
	})
}
