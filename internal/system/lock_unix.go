//go:build unix

package system

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// lock locks the directory itself, so that no lock file stays.
func lock(dir string, wait bool) (io.Closer, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		switch err = syscall.Flock(int(file.Fd()), how); err {
		case nil:
			return file, nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return nil, errors.Join(ErrBusy, file.Close())
		default:
			return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), file.Close())
		}
	}
}
