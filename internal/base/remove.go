package base

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Remove deletes every layout of a state directory and returns the bytes that this frees. The caller holds the lock
// of the state directory.
func Remove(state string) (freed int64, err error) {
	bases := filepath.Join(state, "bases")
	err = filepath.WalkDir(bases, func(_ string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			freed += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return freed, os.RemoveAll(bases)
}
