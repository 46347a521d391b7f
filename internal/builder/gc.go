package builder

import (
	"context"

	"github.com/moby/buildkit/client"
)

const (
	// DefaultStateLimit is enough for the CUDA libraries of two torch versions.
	DefaultStateLimit = 24 << 30
	// minFree is what collection leaves free on the disk, below any limit.
	minFree = 2 << 30
)

// gcPolicy keeps the cache under limit bytes. Cache mounts (the wheels that uv
// downloaded) and copies of local directories go first: they can be had again
// without running a step. Each rule compares the whole cache with its limit.
func gcPolicy(limit int64) []client.PruneInfo {
	if limit <= 0 {
		limit = DefaultStateLimit
	}
	return []client.PruneInfo{
		{
			Filter:       []string{"type==source.local", "type==exec.cachemount"},
			MaxUsedSpace: limit,
			MinFreeSpace: minFree,
		},
		{All: true, MaxUsedSpace: limit, MinFreeSpace: minFree},
	}
}

// collect trims the cache now. BuildKit itself collects a minute after a
// build, and by then a command is long over.
func (c *controller) collect(ctx context.Context) error {
	freed := make(chan client.UsageInfo)
	go func() {
		for range freed {
		}
	}()
	defer close(freed)
	return c.worker.Prune(ctx, freed, c.worker.GCPolicy()...)
}
