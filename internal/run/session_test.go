package run

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
)

// A builder that does not answer ends the run before dist/ or a tree of the lock is made.
func TestRunNeedsItsBuilder(t *testing.T) {
	r := planned(t, "default", bake.PlanOptions{Locked: true})
	r.Options.Dist = filepath.Join(r.Options.Dist, "dist")
	r.Options.Builder = "unix://" + filepath.Join(t.TempDir(), "no.sock")
	var said bytes.Buffer
	r.Options.Notes, r.Options.Out, r.Options.Progress = &said, &said, "quiet"
	results, err := r.Bake(context.Background())
	if !errors.Is(err, diag.Environment) || results != nil {
		t.Errorf("results %v, error %v", results, err)
	}
	if made, _ := os.ReadDir(r.Options.State); exists(r.Options.Dist) || len(made) > 0 {
		t.Errorf("it made dist/ (%v) and %v", exists(r.Options.Dist), made)
	}
}

// A mistake in the lock is found while the builder is open already: the run closes the builder, so that another can open it.
func TestRunClosesWhatItOpened(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the embedded BuildKit needs root")
	}
	r := planned(t, "default", bake.PlanOptions{Locked: true})
	r.Options.Source = copyLocks(t)
	writeFile(t, filepath.Join(r.Options.Source, "lock", "system.hcl"), "base {")
	r.Options.Progress, r.Options.Out = "quiet", &bytes.Buffer{}
	for range 2 { // the second would find the state directory locked
		if _, err := r.Bake(context.Background()); !errors.Is(err, diag.Usage) {
			t.Fatalf("error %v, want one of the lock", err)
		}
	}
	if left, _ := os.ReadDir(r.Options.Dist); len(left) > 0 {
		t.Errorf("left in dist/: %v", left)
	}
}

// copyLocks is a source directory with the lock files and nothing else.
func copyLocks(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "lock"), os.DirFS(filepath.Join(source, "lock"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCachesNameTheirTarget(t *testing.T) {
	got := caches([]string{"type=gha,scope={target}", "type=gha,scope={part}", "type=local,src=/cache"}, bake.Target{Name: "a-wheel"})
	if want := []string{"type=gha,scope=a-wheel", "type=gha,scope=a-wheel", "type=local,src=/cache"}; !slices.Equal(got, want) {
		t.Errorf("caches %v, want %v", got, want)
	}
	if got := caches(nil, bake.Target{}); got != nil {
		t.Errorf("caches %v where none are wanted", got)
	}
}
