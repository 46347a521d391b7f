// Package durable waits until files are on disk. A rename is in the file system's journal long before the bytes of
// the renamed file are written: after a power cut there would be a file of the right name and no content.
package durable

import (
	"errors"
	"os"

	"github.com/sagebuild/sagebuild/internal/system"
)

// Sync writes a file or a directory, and SyncAll at least everything below a directory. Both are variables for
// tests of power cuts alone: such a test looks at the disk around each call, or leaves the call out.
var (
	Sync    = system.Sync
	SyncAll = system.SyncAll
)

// Path waits until the file at path, or the entries of the directory there, are on disk.
func Path(path string) error { return with(path, Sync) }

// Tree waits until everything below dir is on disk, with whatever else waits for the same disk: one sync of the disk
// makes thousands of small files take as long as one.
func Tree(dir string) error { return with(dir, SyncAll) }

func with(path string, sync func(*os.File) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(sync(file), file.Close())
}
