package builder

import (
	"context"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"
)

const (
	// DefaultStateLimit is enough for the tests of all cells of the built-in matrix, which take 36 GiB.
	DefaultStateLimit = 42 << 30
	// minFree is what collection leaves free on the disk, below any limit.
	minFree = 2 << 30
)

// gcPolicy keeps the cache under limit bytes. Cache mounts (the wheels that uv downloaded) and copies of local
// directories go first: they can be had again without running a step. Each rule compares the whole cache with its
// limit.
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

// reserveSize is enough for what BuildKit's databases write while it prunes.
const reserveSize = 4 << 20

// reserve keeps a little of the disk for pruning: to forget a layer, BuildKit has to write, and on a full disk it
// could never free anything.
type reserve struct{ path string }

func reserveIn(root string) reserve { return reserve{filepath.Join(root, "reserve")} }

// hold takes the reserve if there is room; without it things still work until the disk is full.
func (r reserve) hold() {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, reserveSize); err != nil {
		r.release()
	}
}

func (r reserve) release() { _ = os.Remove(r.path) }

// collect trims the cache now. BuildKit itself collects a minute after a build, and by then a command is long over.
func (c *controller) collect(ctx context.Context) error {
	freed := make(chan client.UsageInfo)
	go func() {
		for range freed {
		}
	}()
	defer close(freed)
	return c.worker.Prune(ctx, freed, c.worker.GCPolicy()...)
}
