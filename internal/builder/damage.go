//go:build linux

package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sagebuild/sagebuild/internal/system"
)

// damagedDir holds, below BuildKit's root, a state that was set aside because it was damaged.
const damagedDir = "damaged"

// mend sets a damaged state below root aside and says so, and readies the databases for being opened. The caller holds
// the lock and has swept.
func mend(ctx context.Context, root string, note func(string, ...any)) error {
	err := inspect(ctx, root)
	if damage := new(damageError); errors.As(err, &damage) {
		if err := setAside(root); err != nil {
			return fmt.Errorf("setting the damaged build cache aside: %w", err)
		}
		note("the build cache is damaged (%s): moved it to %s, which sagebuild clean deletes, and go on with an empty one",
			damage.what, filepath.Join(root, damagedDir))
	} else if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(root, historyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return breakSeal(root)
}

// setAside moves BuildKit's state below root to the directory damaged, in the place of an older one. The worker's
// directory goes first: without it the rest is an index of nothing, which BuildKit drops.
func setAside(root string) error {
	aside := filepath.Join(root, damagedDir)
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	if err := os.Mkdir(aside, 0o700); err != nil {
		return err
	}
	for _, name := range []string{workerDir, "cache.db", sealFile} {
		err := os.Rename(filepath.Join(root, name), filepath.Join(aside, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Remove deletes the embedded builder's whole cache in a state directory without opening it, damaged or not, and
// returns the bytes that this frees. It refuses while another process uses the cache.
func Remove(ctx context.Context, state string) (freed int64, err error) {
	root := engineRoot(state)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	lock, err := claim(ctx, root, Config{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	entries, err := os.ReadDir(root)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		path := filepath.Join(root, entry.Name())
		if path == lockPath(root) {
			continue
		}
		bytes, err := system.RemoveTree(path)
		freed += bytes
		if err != nil {
			return freed, err
		}
	}
	return freed, nil
}
