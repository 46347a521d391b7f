//go:build !linux

package system

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Sync waits until a file, or the entries of a directory, are on disk. Windows has no such call for directories, and
// wants the file to be open for writing.
func Sync(file *os.File) error {
	if info, err := file.Stat(); err != nil || runtime.GOOS == "windows" && info.IsDir() {
		return err
	}
	return file.Sync()
}

// SyncAll waits until everything below dir is on disk.
func SyncAll(dir *os.File) error {
	return filepath.WalkDir(dir.Name(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		mode := os.O_RDWR
		if entry.IsDir() {
			mode = os.O_RDONLY
		}
		file, err := os.OpenFile(path, mode, 0)
		if err != nil {
			return err
		}
		return errors.Join(Sync(file), file.Close())
	})
}
