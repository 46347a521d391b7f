package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Replace puts the directory made in the place of dir, which then lies at made, if it was there: in one step where the
// file system can exchange two directories. Other file systems have a moment without dir. The new directory is on disk
// before the exchange, and its name after, so that a power cut leaves one of the two.
func Replace(made, dir string) error {
	if err := Tree(made); err != nil {
		return err
	}
	if err := exchange(made, dir); err != nil {
		return err
	}
	return Path(filepath.Dir(dir))
}

func exchange(made, dir string) error {
	err := os.Rename(made, dir) // works where there is no dir, or an empty one
	if err == nil || !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return exchangeInSteps(made, dir)
	}
	if err != nil {
		return fmt.Errorf("exchanging %s and %s: %w", made, dir, err)
	}
	return nil
}

func exchangeInSteps(made, dir string) error {
	old := made + ".old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.Rename(old, made)
}
