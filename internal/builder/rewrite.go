//go:build linux

package builder

import (
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"
)

// rewrite makes a database anew, in its own place, from what it holds. bbolt trusts lengths in pages when it writes, and
// no check of it sees one that goes on into the next page: a database that was read through and written anew has none.
func rewrite(path string) (err error) {
	fresh := path + ".fresh"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := copyDatabase(path, fresh); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return os.Rename(fresh, path)
}

// copyDatabase is on disk when it returns.
func copyDatabase(from, to string) error {
	source, err := bolt.Open(from, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer source.Close()
	copied, err := bolt.Open(to, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	err = bolt.Compact(copied, source, 1<<20)
	return errors.Join(err, copied.Sync(), copied.Close())
}
