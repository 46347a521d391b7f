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
	for _, syncs := range []bool{true, false} {
		disk := powercut.New(t)
		s, err := newStaging(disk.Dir)
		if err != nil {
			t.Fatal(err)
		}
		old, next := strings.Repeat("old", 10000), strings.Repeat("new", 10000)
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
		disk.Settle()
		broken := 0
		cuts := disk.Around(syncs, func() { publish("second", next) }, func(dir string) {
			text, err := os.ReadFile(filepath.Join(dir, "test-results", "one", "junit.xml"))
			if err != nil || string(text) != old && string(text) != next {
				broken++
			}
		})
		t.Logf("%d cuts, syncs: %v, %d broken", cuts, syncs, broken)
		if syncs && (broken > 0 || cuts < 5) {
			t.Errorf("%d of %d cuts left broken results", broken, cuts)
		}
		if !syncs && broken == 0 {
			t.Error("without syncs no cut broke anything: the test tests nothing")
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
