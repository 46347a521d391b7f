package durable

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/sagebuild/sagebuild/internal/system"
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
	err := os.Rename(made, dir) // works where there is no dir, and on Unix where it is empty
	if _, missing := os.Stat(dir); err == nil || missing != nil {
		return err
	}
	if err = system.Exchange(made, dir); errors.Is(err, errors.ErrUnsupported) {
		return exchangeInSteps(made, dir)
	}
	return err
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
