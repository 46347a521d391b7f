//go:build linux

package builder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	bolt "go.etcd.io/bbolt"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// namespace is the one that BuildKit's worker keeps its content in.
const namespace = "buildkit"

// inspect returns a damageError where the state below root is not what BuildKit left: databases, and that the
// snapshots and the content which they list are there. No engine may run.
func inspect(ctx context.Context, root string) error {
	if err := checkDatabases(ctx, root); err != nil {
		return err
	}
	if isSealed(root) {
		return checkListed(ctx, root)
	}
	return checkApart(ctx, root, "what it lists")
}

// checkListed wants what the databases list. It reads them as BuildKit does, which can panic where a value changed.
func checkListed(ctx context.Context, root string) error {
	if err := checkPresent(root); err != nil {
		return err
	}
	if err := checkSnapshots(ctx, filepath.Join(root, workerDir, "snapshots")); err != nil {
		return err
	}
	return eachBlob(ctx, root, checkSize)
}

// checkPresent wants the databases without which the directories of snapshots would be in the way of new ones. A run
// that was killed while it made them leaves no directory.
func checkPresent(root string) error {
	entries, _ := os.ReadDir(filepath.Join(root, workerDir, "snapshots", "snapshots"))
	for _, name := range []string{"containerdmeta.db", "snapshots/metadata.db"} {
		if len(entries) > 0 && isEmpty(filepath.Join(root, workerDir, name)) {
			return damaged("%s is lost", name)
		}
	}
	return nil
}

// eachBlob calls check for everything that the content store lists, until one fails.
func eachBlob(ctx context.Context, root string, check func(path string, blob content.Info) error) error {
	file := filepath.Join(root, workerDir, "containerdmeta.db")
	if isEmpty(file) {
		return nil
	}
	db, err := bolt.Open(file, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return damaged("%v", err)
	}
	defer db.Close()
	dir := filepath.Join(root, workerDir, "content")
	files, err := local.NewStore(dir)
	if err != nil {
		return err
	}
	listed := metadata.NewDB(db, files, nil).ContentStore()
	return listed.Walk(namespaces.WithNamespace(ctx, namespace), func(blob content.Info) error {
		return check(filepath.Join(dir, "blobs", blob.Digest.Algorithm().String(), blob.Digest.Encoded()), blob)
	})
}

// checkSize compares what costs nothing to compare.
func checkSize(path string, blob content.Info) error {
	info, err := os.Stat(path)
	if err != nil {
		return damaged("content: %v", err)
	}
	if info.Size() != blob.Size {
		return damaged("content: %s has %s, not %d", path, ui.Count(info.Size(), "byte"), blob.Size)
	}
	return nil
}

// findDamage implements ownEngine. A database without a seal may hold a value that changed, which nothing but the failure
// of a solve shows.
func (e *engine) findDamage(ctx context.Context, solve error) error {
	root := filepath.Join(e.root, workerDir, "content")
	err := e.control.worker.ContentStore().Walk(ctx, func(blob content.Info) error {
		path := filepath.Join(root, "blobs", blob.Digest.Algorithm().String(), blob.Digest.Encoded())
		if sum, err := digest.File(path); err != nil || sum != blob.Digest.Encoded() {
			return damaged("%s", path)
		}
		return nil
	})
	switch {
	case err != nil:
		err = errDamagedCache("the build cache is damaged", err)
	case e.wasKilled && mentionsCache(solve):
		err = errDamagedCache("the build cache, which a killed run left, may be damaged", solve)
	}
	if err != nil {
		e.isDamaged.Store(true)
	}
	return err
}

func isEmpty(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}
