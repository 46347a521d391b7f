package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/sums"
	"github.com/sagebuild/sagebuild/internal/system"
)

func TestStagingPublishesAndLeavesNothing(t *testing.T) {
	dist := filepath.Join(t.TempDir(), "dist")
	s, err := newStaging(dist)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.target("one")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "a.whl"), "new")
	writeFile(t, filepath.Join(dist, "a.whl"), "old")
	writeFile(t, filepath.Join(dist, "a.whl.intoto.jsonl"), "of the old one")
	if _, _, err := s.publishWheel(filepath.Join(dir, "a.whl")); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} { // the second takes the first one's place
		results, err := s.target("results-" + text)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(results, text), text)
		if _, err := s.publishDir(results, "test-results/one"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	expectFiles(t, dist, map[string]string{"a.whl": "new", "test-results/one/second": "second",
		"SHA256SUMS": "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437  a.whl\n"})
}

func TestStagingPublishesProvenanceWithItsWheel(t *testing.T) {
	dist := filepath.Join(t.TempDir(), "dist")
	s, err := newStaging(dist)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.target("one")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "a.whl"), "new")
	writeFile(t, filepath.Join(dir, "a.whl.intoto.jsonl"), "{}")
	if _, _, err := s.publishWheel(filepath.Join(dir, "a.whl")); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	list, err := sums.Read(dist)
	if err != nil || len(list) != 2 {
		t.Errorf("SHA256SUMS: %v, %v", list, err)
	}
	expectFiles(t, dist, map[string]string{"a.whl": "new", "a.whl.intoto.jsonl": "{}", "SHA256SUMS": string(list.Text())})
}

func TestStagingRemovesADistThatItMade(t *testing.T) {
	dist := filepath.Join(t.TempDir(), "dist")
	s, err := newStaging(dist)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil || exists(dist) {
		t.Errorf("close: %v, dist/ exists: %v", err, exists(dist))
	}
}

func TestSweepSparesLivingRuns(t *testing.T) {
	dist := t.TempDir()
	living, err := newStaging(dist)
	if err != nil {
		t.Fatal(err)
	}
	killed := filepath.Join(dist, ".staging-killed", "target")
	if err := os.MkdirAll(killed, 0o755); err != nil {
		t.Fatal(err)
	}
	removed, err := Sweep(dist)
	if err != nil || len(removed) != 1 || exists(killed) || !exists(living.dir) {
		t.Errorf("removed %v, %v; living exists: %v", removed, err, exists(living.dir))
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// expectFiles compares every file below dir, hidden ones included.
func expectFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		text, err := os.ReadFile(path)
		if want[name] != string(text) {
			t.Errorf("%s holds %q, want %q", name, text, want[name])
		}
		delete(want, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("there is no %s", name)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A sweep waits while another process makes its staging directory, and leaves it once it is locked.
func TestSweepWaitsForStagingToBeLocked(t *testing.T) {
	dist := t.TempDir()
	lock, err := system.Lock(dist)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(dist, stagingPattern)
	if err != nil {
		t.Fatal(err)
	}
	swept := make(chan error)
	go func() {
		_, err := Sweep(dist)
		swept <- err
	}()
	select {
	case err := <-swept:
		t.Fatalf("the sweep did not wait (%v)", err)
	case <-time.After(100 * time.Millisecond):
	}
	held, err := system.TryLock(dir)
	if err != nil {
		t.Fatalf("the staging directory was swept before its owner could lock it: %v", err)
	}
	defer held.Close()
	lock.Close()
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a staging directory in use was swept: %v", err)
	}
}

func TestSweepRemovesUnfinishedLists(t *testing.T) {
	dist := t.TempDir()
	writeFile(t, filepath.Join(dist, ".SHA256SUMS-123"), "")
	writeFile(t, filepath.Join(dist, "SHA256SUMS"), "")
	if removed, err := Sweep(dist); err != nil || len(removed) != 1 {
		t.Errorf("removed %v (%v), want the unfinished list", removed, err)
	}
	expectFiles(t, dist, map[string]string{"SHA256SUMS": ""})
}

// dist/ that cannot be written is the machine's, and is named.
func TestDistThatIsAFile(t *testing.T) {
	dist := filepath.Join(t.TempDir(), "dist")
	writeFile(t, dist, "a file")
	_, err := newStaging(dist)
	var e *diag.Error
	if !errors.As(err, &e) || e.Class != diag.Environment || e.Hint == "" || !strings.Contains(e.Message, dist) {
		t.Errorf("error is %v, want one of the machine that names %s", err, dist)
	}
}

// Staging that can no longer be written is the machine's, at whatever step, and the error names dist/.
func TestStagingThatCannotBeWritten(t *testing.T) {
	dist := t.TempDir()
	s, err := newStaging(dist)
	if err != nil {
		t.Fatal(err)
	}
	wheel := filepath.Join(t.TempDir(), "a.whl")
	writeFile(t, wheel, "a wheel")
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	_, made := s.target("one")
	_, copied := s.alone(wheel, "a.whl")
	for _, err := range []error{made, copied, s.write(filepath.Join(s.dir, "a.whl.intoto.jsonl"), nil)} {
		var e *diag.Error
		if !errors.As(err, &e) || e.Class != diag.Environment || !strings.Contains(e.Message, dist) {
			t.Errorf("error is %v, want one of the machine that names %s", err, dist)
		}
	}
}
