package system

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// TreeSize adds up the regular files at path and below it, in bytes, each hard link once for every name.
func TreeSize(path string) (total int64, err error) {
	err = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// RemoveTree deletes path and everything below it, and returns the bytes of its files. A path that is not there frees
// nothing.
func RemoveTree(path string) (freed int64, err error) {
	freed, err = TreeSize(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return freed, errors.Join(err, os.RemoveAll(path))
}
