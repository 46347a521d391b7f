package system

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync waits until a file, or the entries of a directory, are on disk.
func Sync(file *os.File) error { return file.Sync() }

// SyncAll waits until everything on the file system of dir is on disk: thousands of small files take as long as one.
func SyncAll(dir *os.File) error { return os.NewSyscallError("syncfs", unix.Syncfs(int(dir.Fd()))) }
