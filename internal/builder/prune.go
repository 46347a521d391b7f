package builder

import (
	"context"
	"slices"
	"time"

	"github.com/moby/buildkit/client"
)

// keepUnused is how long Prune keeps cache that no build uses.
const keepUnused = 7 * 24 * time.Hour

// settleTime is how long is waited for what a build still holds when it is over: containers, which are killed then, and
// records of the cache.
const settleTime = 5 * time.Second

// settled lists a cache's records when none is in use any more, or after settleTime. BuildKit lets go of what a build used
// in the background, and prunes nothing that is in use. And a copy of a local directory is two records for it, one of
// which it lists while the copy is in use and the other afterwards: what is pruned would not be what was listed.
func settled(ctx context.Context, list func(context.Context) ([]*client.UsageInfo, error)) ([]*client.UsageInfo, error) {
	for deadline := time.Now().Add(settleTime); ; time.Sleep(10 * time.Millisecond) {
		records, err := list(ctx)
		inUse := func(r *client.UsageInfo) bool { return r.InUse }
		if err != nil || !slices.ContainsFunc(records, inUse) || time.Now().After(deadline) {
			return records, err
		}
	}
}

// DiskUsage implements Builder.
func (c *connection) DiskUsage(ctx context.Context) (total int64, err error) {
	err = c.each(ctx, func(node *client.Client) error {
		records, err := node.DiskUsage(ctx)
		for _, r := range records {
			total += r.Size
		}
		return err
	})
	return total, err
}

// Prune implements Builder.
func (c *connection) Prune(ctx context.Context, all bool) (freed int64, err error) {
	if c.engine != nil {
		var done func()
		if freed, done, err = c.engine.makeRoom(); err != nil {
			return freed, err
		}
		defer done()
	}
	options := []client.PruneOption{client.WithKeepOpt(keepUnused, 0, 0, 0)}
	if all {
		options = []client.PruneOption{client.PruneAll}
	}
	err = c.each(ctx, func(node *client.Client) error {
		list := func(ctx context.Context) ([]*client.UsageInfo, error) { return node.DiskUsage(ctx) }
		if _, err := settled(ctx, list); err != nil {
			return err
		}
		bytes, err := prune(ctx, node, options)
		freed += bytes
		return err
	})
	return freed, err
}

func prune(ctx context.Context, c *client.Client, options []client.PruneOption) (int64, error) {
	records, total := make(chan client.UsageInfo), make(chan int64)
	go func() {
		var sum int64
		for r := range records {
			sum += r.Size
		}
		total <- sum
	}()
	err := c.Prune(ctx, records, options...)
	close(records)
	return <-total, err
}
