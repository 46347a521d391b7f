package base

import (
	"io"
	"os"
	"path/filepath"
)

// LockFile is the lock's place below the source directory.
const LockFile = "lock/system.hcl"

// Open reads the lock of a source directory and returns the store that makes its trees in a state directory. The
// mirror is that of the environment; progress is what Store says of it.
func Open(source, state string, progress io.Writer) (*Store, error) {
	lock, err := ReadLock(filepath.Join(source, LockFile))
	if err != nil {
		return nil, err
	}
	return &Store{State: state, Lock: lock, Mirror: os.Getenv(MirrorVariable), Progress: progress}, nil
}
