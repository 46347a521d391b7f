package index

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/durable"
)

// swap holds a directory in which the next site grows beside the present one.
type swap struct {
	output, aside string
	parent        *os.File
}

// newSwap locks the directory above the site, so that one process publishes at a time, and removes what a killed
// process left behind. The lock is on the directory itself, so no lock file stays.
func newSwap(output string) (*swap, error) {
	parent := filepath.Dir(output)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Open(parent)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, &diag.Error{Class: diag.Environment, Message: "another sagebuild index publishes to " + parent, Err: err,
			Hint: "run it again when that one has ended"}
	}
	s := &swap{output: output, aside: filepath.Join(parent, "."+filepath.Base(output)+".next"), parent: file}
	if err := os.RemoveAll(s.aside); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

// publish puts the new site in the place of the old one, in one step where the file system can exchange two
// directories. Other file systems have a moment without a site. The new site is on disk before the exchange, and its
// name after, so that a power cut leaves one of the two sites.
func (s *swap) publish() error {
	if err := durable.Tree(s.aside); err != nil {
		return err
	}
	if err := s.exchange(); err != nil {
		return err
	}
	return durable.Path(filepath.Dir(s.output))
}

func (s *swap) exchange() error {
	err := os.Rename(s.aside, s.output) // works where there is no site, or an empty directory
	if err == nil || !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, s.aside, unix.AT_FDCWD, s.output, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return s.publishInSteps()
	}
	if err != nil {
		return fmt.Errorf("exchanging %s and %s: %w", s.aside, s.output, err)
	}
	return nil
}

func (s *swap) publishInSteps() error {
	old := s.aside + ".old"
	if err := os.Rename(s.output, old); err != nil {
		return err
	}
	if err := os.Rename(s.aside, s.output); err != nil {
		return errors.Join(err, os.Rename(old, s.output))
	}
	return os.Rename(old, s.aside)
}

// close removes the directory aside: the old site, or a new site that was not published.
func (s *swap) close() {
	_ = os.RemoveAll(s.aside)
	s.parent.Close()
}
