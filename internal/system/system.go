// Package system is what other packages ask of the operating system, and most of it differs from one to the next: locks
// on directories, room on disks, waiting for a disk, exchanging two directories, the size of a tree.
package system

import (
	"errors"
	"io"
)

// ErrBusy says that another process, or another call in this one, holds a lock.
var ErrBusy = errors.New("it is locked by another process")

// Lock locks a directory for this process and waits until it can. Closing the result unlocks the directory, as does
// the end of the process.
func Lock(dir string) (io.Closer, error) { return lock(dir, true) }

// TryLock is Lock for those who do not wait: where the directory is locked the error is ErrBusy.
func TryLock(dir string) (io.Closer, error) { return lock(dir, false) }

// Room is what is left on a disk.
type Room struct {
	Bytes    uint64 // that an unprivileged user could still write
	NoInodes bool   // no file can be made, whatever its size
}
