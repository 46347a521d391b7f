package base

import (
	"io"
	"os"
	"path/filepath"
)

// LockFile is the lock's place below the source directory.
const LockFile = "lock/system.hcl"

// Open reads the lock of a source directory and returns the store that makes the lock's trees in a state directory.
// The mirror comes from the environment. Progress receives a line for each tree that is made.
func Open(source, state string, progress io.Writer) (*Store, error) {
	lock, err := ReadLock(filepath.Join(source, LockFile))
	if err != nil {
		return nil, err
	}
	return &Store{State: state, Lock: lock, Mirror: os.Getenv(MirrorVariable), Progress: progress}, nil
}
