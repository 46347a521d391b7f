//go:build linux

package builder

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/solver"
	bolt "go.etcd.io/bbolt"
)

// usedCache is BuildKit's index of step results, and remembers which of them the builds of this run found in it. That
// a result was used does not show elsewhere: of a chain of cached steps only the last is ever opened.
type usedCache struct {
	solver.CacheManager

	mu    sync.Mutex
	found map[string]bool
}

// Records implements solver.CacheManager.
func (c *usedCache) Records(ctx context.Context, key *solver.CacheKey) ([]*solver.CacheRecord, error) {
	records, err := c.CacheManager.Records(ctx, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		_, id, _ := strings.Cut(r.ID, "::") // after the worker's
		c.found[id] = true
	}
	return records, err
}

// ids are the records of the cache that hold the results. One that BuildKit has yet to seal is held by another record,
// which its metadata names.
func (c *usedCache) ids(store *metadata.Store) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for id := range c.found {
		all = append(all, id)
		item, ok := store.Get(id)
		if !ok {
			continue
		}
		var twin string
		if value := item.Get("cache.equalMutable"); value != nil && value.Unmarshal(&twin) == nil {
			all = append(all, twin)
		}
	}
	return all
}

// lastUsed is BuildKit's name for a record's last time of use, in nanoseconds since 1970 (cache/metadata.go). What is
// deleted goes by it.
const lastUsed = "cache.lastUsedAt"

// usedAgain is how old a record's last time of use is when a further use is noted: each note is a write to the disk.
const usedAgain = 24 * time.Hour

// markUsed tells BuildKit that the run used what it found: the steps behind the last of a chain would count as unused since
// they were made, and kernels that every run needs would be deleted before wheels that none does.
func (c *usedCache) markUsed(store *metadata.Store) (err error) {
	now := time.Now()
	for _, id := range c.ids(store) {
		item, ok := store.Get(id)
		if ok && now.Sub(usedAt(item)) > usedAgain {
			err = errors.Join(err, setUsed(item, now))
		}
	}
	return err
}

func usedAt(item *metadata.StorageItem) time.Time {
	var nanoseconds int64
	if value := item.Get(lastUsed); value != nil {
		_ = value.Unmarshal(&nanoseconds)
	}
	return time.Unix(0, nanoseconds)
}

func setUsed(item *metadata.StorageItem, at time.Time) error {
	value, err := metadata.NewValue(at.UnixNano())
	if err != nil {
		return err
	}
	return item.Update(func(b *bolt.Bucket) error { return item.SetValue(b, lastUsed, value) })
}
