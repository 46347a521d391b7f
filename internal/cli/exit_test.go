package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// Whatever an interruption broke, the command was interrupted; only the run itself says what that left behind.
func TestClassifyAnInterruption(t *testing.T) {
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	own := &diag.Error{Class: diag.Interrupted, Message: "interrupted, and something may be left behind", Err: errors.New("busy")}
	for want, err := range map[string]error{
		"interrupted": errors.New("connection lost"),
		"interrupted, and something may be left behind: busy": fmt.Errorf("bake: %w", own),
	} {
		got := diag.All(classify(stopped, err))
		if len(got) != 1 || got[0].Class != diag.Interrupted || got[0].Error() != want {
			t.Errorf("%v becomes %v, want %s", err, got, want)
		}
	}
}

func TestClassifyAFullDisk(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, errors.New("rpc error: write /x: no space left on device")} {
		if got := classify(context.Background(), err); !errors.Is(got, diag.Environment) || !errors.Is(got, err) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	plain := errors.New("plain")
	if got := classify(context.Background(), plain); got != plain {
		t.Errorf("a plain error becomes %v", got)
	}
}

func TestClassifyAPathThatCannotBeUsed(t *testing.T) {
	errs := []error{&fs.PathError{Op: "mkdir", Path: "/srv/site", Err: syscall.ENOENT}} // as /proc says it
	for _, why := range []error{syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		errs = append(errs, &fs.PathError{Op: "open", Path: "/srv/site", Err: why}, &os.LinkError{Op: "rename", Old: "/srv/new", New: "/srv/site", Err: why})
	}
	for _, why := range errs {
		err := fmt.Errorf("writing the site: %w", why)
		got := diag.All(classify(context.Background(), err))
		if len(got) != 1 || got[0].Class != diag.Environment || got[0].Error() != err.Error() || got[0].Hint != "namei -l /srv/site" {
			t.Errorf("%v becomes %+v", err, got)
		}
	}
}

// A file that is missing or damaged says nothing about a path.
func TestClassifyOtherErrorsOfPaths(t *testing.T) {
	for _, err := range []error{
		&fs.PathError{Op: "open", Path: "/srv/site", Err: syscall.ENOENT},
		&fs.PathError{Op: "read", Path: "/srv/site", Err: syscall.EIO},
		&os.LinkError{Op: "rename", Old: "/srv/new", New: "/srv/site", Err: syscall.ENOENT},
		&diag.Error{Class: diag.Usage, Err: &fs.PathError{Op: "open", Path: "/srv/site", Err: syscall.EACCES}},
	} {
		if got := classify(context.Background(), err); got != err {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
