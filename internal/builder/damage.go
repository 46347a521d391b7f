//go:build linux

package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sagebuild/sagebuild/internal/system"
)

// damagedDir holds, below BuildKit's root, a state that was set aside because it was damaged.
const damagedDir = "damaged"

// mend sets a damaged state below root aside and says so, and breaks the seal of its databases, which are opened next. It
// says whether a killed run left them. The caller holds the lock and has swept.
func mend(ctx context.Context, root string, note func(string, ...any)) (wasKilled bool, err error) {
	wasKilled = !isSealed(root)
	err = inspect(ctx, root)
	if damage := new(damageError); errors.As(err, &damage) {
		if err := startEmpty(root, damage.what, note); err != nil {
			return false, err
		}
		wasKilled = false
	} else if err != nil {
		return false, err
	}
	return wasKilled, breakSeal(root)
}

// startEmpty sets a damaged state aside and says why.
func startEmpty(root, why string, note func(string, ...any)) error {
	if err := setAside(root); err != nil {
		return fmt.Errorf("setting the damaged build cache aside: %w", err)
	}
	note("the build cache is damaged (%s): moved it to %s, which sagebuild clean deletes, and go on with an empty one",
		why, filepath.Join(root, damagedDir))
	return nil
}

// startController is newController, once more with an empty state where BuildKit cannot start with this one. No check
// of databases without a seal sees a value that changed, but BuildKit cannot parse some of them. The first try's
// databases stay open until the process ends: they lie in the directory damaged, where nothing else opens them.
func startController(ctx context.Context, root string, config Config) (*controller, error) {
	c, err := newController(ctx, root, config.Steps)
	if err == nil || isOfSystem(err) {
		return c, err
	}
	if err := startEmpty(root, err.Error(), config.note); err != nil {
		return nil, err
	}
	return newController(ctx, root, config.Steps)
}

// isOfSystem says whether an error is the operating system's or the caller's, and no cache is to blame.
func isOfSystem(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
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
	if _, err := os.Stat(engineRoot(state)); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if state, err = withoutLinks(state); err != nil {
		return 0, err
	}
	root := engineRoot(state)
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
