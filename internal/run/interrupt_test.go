package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func TestInterruptedSaysWhatIsLeft(t *testing.T) {
	err := interrupted(nil)
	if !errors.Is(err, diag.Interrupted) || err.Error() != "interrupted; nothing was left behind" {
		t.Errorf("a run that closed in order says %v", err)
	}
	err = interrupted(errors.New("device busy"))
	if !errors.Is(err, diag.Interrupted) || strings.Contains(err.Error(), "nothing was left") || !strings.Contains(err.Error(), "device busy") {
		t.Errorf("a run that could not close says %v", err)
	}
}

// What keeps staging from being removed is an error of the run: here a mount in it.
func TestClosingTellsWhatStays(t *testing.T) {
	s, err := newStaging(filepath.Join(t.TempDir(), "dist"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.target("one")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		if os.Geteuid() == 0 {
			t.Errorf("mounting as root: %v", err)
		}
		t.Skip("only root can mount")
	}
	closing := s.close()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(closing, unix.EBUSY) {
		t.Errorf("close: %v, want %v", closing, unix.EBUSY)
	}
	if err := interrupted(closing); !strings.Contains(err.Error(), dir) {
		t.Errorf("%v does not name %s", err, dir)
	}
}
