package builder

import (
	"context"
	"time"

	"github.com/moby/buildkit/client"
)

// keepUnused is how long Prune keeps cache that no build uses.
const keepUnused = 7 * 24 * time.Hour

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
