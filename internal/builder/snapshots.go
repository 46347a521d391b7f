//go:build linux

package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/core/snapshots/storage"
	"github.com/containerd/errdefs"
)

// checkSnapshots wants of the snapshotter's database in dir that its snapshots have directories and parents, and that
// the next one would get a directory of its own.
func checkSnapshots(ctx context.Context, dir string) (err error) {
	file := filepath.Join(dir, "metadata.db")
	if isEmpty(file) {
		return nil
	}
	store, err := storage.NewMetaStore(file)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, transaction, err := store.TransactionContext(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, transaction.Rollback()) }()
	ids, err := storage.IDMap(ctx)
	if errdefs.IsNotFound(err) {
		return nil // no snapshot was ever written
	}
	if err != nil {
		return damaged("snapshots: %v", err)
	}
	for id := range ids {
		if _, err := os.Stat(filepath.Join(dir, "snapshots", id, "fs")); err != nil {
			return damaged("snapshot %s: %v", id, err)
		}
	}
	if err := checkParents(ctx); err != nil {
		return err
	}
	return checkNext(ctx, ids)
}

// checkParents wants for each snapshot that its parent is there and finished.
func checkParents(ctx context.Context) error {
	finished := map[string]bool{"": true}
	parents := map[string]string{}
	err := storage.WalkInfo(ctx, func(_ context.Context, info snapshots.Info) error {
		finished[info.Name] = info.Kind == snapshots.KindCommitted
		parents[info.Name] = info.Parent
		return nil
	})
	if err != nil {
		return damaged("snapshots: %v", err)
	}
	for name, parent := range parents {
		if !finished[parent] {
			return damaged("snapshot %s: its parent is not there", name)
		}
	}
	return nil
}

// checkNext makes a snapshot, which the end of the transaction takes back.
func checkNext(ctx context.Context, ids map[string]string) error {
	next, err := storage.CreateSnapshot(ctx, snapshots.KindActive, "the next snapshot", "")
	if err != nil {
		return damaged("snapshots: %v", err)
	}
	if _, isTaken := ids[next.ID]; isTaken {
		return damaged("snapshot %s: the next one would take its place", next.ID)
	}
	return nil
}
