//go:build linux

package builder

import (
	"context"
	"strings"
	"sync"

	"github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/solver"
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
