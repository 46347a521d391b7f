//go:build linux

package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// minFree is what collection leaves free on the disk, below any limit.
const minFree = 2 << 30

// gcPolicy brings the cache under limit bytes and the disk to minFree free ones, as far as what the run used allows.
// Cache mounts (the wheels that uv downloaded) and copies of local directories go first: they can be had again without
// running a step. Each rule compares the whole cache with its limit. No rule has a KeepDuration: deleting a layer counts
// as a use of the layer under it, and a run would take no more than the top of each stack.
func gcPolicy(limit int64, used []string) []client.PruneInfo {
	unused := make([]string, len(used))
	for i, id := range used {
		unused[i] = "id!=" + id
	}
	rule := client.PruneInfo{All: true, MaxUsedSpace: limit, MinFreeSpace: minFree}
	first, second := rule, rule
	first.All = false
	for _, kind := range []string{"type==source.local", "type==exec.cachemount"} {
		first.Filter = append(first.Filter, strings.Join(append([]string{kind}, unused...), ","))
	}
	if len(unused) > 0 {
		second.Filter = []string{strings.Join(unused, ",")}
	}
	return []client.PruneInfo{first, second}
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

// collect trims the cache at the end of a run, and says what it deletes and why. BuildKit's own collector is off: it
// would not wait until the run is over, and knows nothing of what the run has yet to use.
func (c *controller) collect(ctx context.Context, root string, limit int64, note func(string, ...any)) error {
	if limit <= 0 {
		limit = DefaultStateLimit
	}
	records, err := c.diskUsage(ctx)
	if err != nil {
		return err
	}
	var size int64
	for _, r := range records {
		size += r.Size
	}
	reason := fmt.Sprintf("it holds %s and its limit is %s", ui.Size(size), ui.Size(limit))
	if room := free(root); size <= limit && room >= minFree {
		return nil
	} else if room < minFree {
		reason = fmt.Sprintf("%s was free on the disk of %s, and %s should be", ui.Size(room), root, ui.Size(minFree))
	}
	if records, err = settled(ctx, c.diskUsage); err != nil {
		return err
	}
	deleted, err := c.prune(ctx, gcPolicy(limit, c.usedOf(records)))
	if deleted > 0 {
		note("deleted %s of build cache that this run did not use: %s", ui.Size(deleted), reason)
	}
	return err
}

// diskUsage lists the cache's records.
func (c *controller) diskUsage(ctx context.Context) ([]*client.UsageInfo, error) {
	return c.worker.DiskUsage(ctx, client.DiskUsageInfo{})
}

// usedOf lists the records that the run found in the cache, made, or used in another way.
func (c *controller) usedOf(records []*client.UsageInfo) []string {
	return append(c.used.ids(c.worker.MetadataStore), usedSince(records, c.started)...)
}

// usedSince lists records that were made or used after a time, or still are in use: BuildKit writes the time of use down
// when the last reference goes, which on a busy machine is after the step is done.
func usedSince(records []*client.UsageInfo, start time.Time) (used []string) {
	for _, r := range records {
		if r.InUse || r.CreatedAt.After(start) || r.LastUsedAt != nil && r.LastUsedAt.After(start) {
			used = append(used, r.ID)
		}
	}
	return used
}

// prune returns the bytes that it frees.
func (c *controller) prune(ctx context.Context, rules []client.PruneInfo) (total int64, err error) {
	freed, done := make(chan client.UsageInfo), make(chan struct{})
	go func() {
		defer close(done)
		for r := range freed {
			total += r.Size
		}
	}()
	err = c.worker.Prune(ctx, freed, rules...)
	close(freed)
	<-done
	return total, err
}
