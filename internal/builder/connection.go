package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/buildx/build"
	buildx "github.com/docker/buildx/builder"
	"github.com/docker/buildx/util/confutil"
	"github.com/docker/buildx/util/progress"
	"github.com/moby/buildkit/client"
)

// connection is an open builder of any kind: nodes that buildx can build on.
type connection struct {
	nodes   []buildx.Node
	display *display
	scratch string // buildx's notes about builds, which nobody reads
	log     io.Closer
	state   string  // state directory of an embedded engine, or empty
	engine  *engine // nil for builders outside this process
}

func openEmbedded(ctx context.Context, config Config) (Builder, error) {
	if config.State == "" {
		return nil, errors.New("internal error: the embedded builder has no state directory")
	}
	state, err := filepath.Abs(config.State)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, stateError(state, err)
	}
	c, err := newConnection(config, state)
	if err != nil {
		return nil, err
	}
	c.state = state
	if c.engine, err = startEngine(ctx, engineRoot(state), config); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if c.nodes, err = embeddedNodes(ctx, c.engine); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func openAddress(ctx context.Context, config Config) (Builder, error) {
	return openRemote(ctx, config, addressNodes)
}

func openNamed(ctx context.Context, config Config) (Builder, error) {
	return openRemote(ctx, config, namedNodes)
}

func openRemote(ctx context.Context, config Config, load func(context.Context, string) ([]buildx.Node, error)) (Builder, error) {
	c, err := newConnection(config, "")
	if err != nil {
		return nil, err
	}
	if c.nodes, err = load(ctx, config.Address); err == nil {
		err = c.check(ctx)
	}
	if err != nil {
		return nil, errors.Join(errUnreachable(config.Address, err), c.Close())
	}
	return c, nil
}

// check asks every node who it is: buildx itself would go on without those that do not answer.
func (c *connection) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return c.each(ctx, func(node *client.Client) error {
		_, err := node.Info(ctx)
		return err
	})
}

func newConnection(config Config, logs string) (*connection, error) {
	d, err := newDisplay(config.Display)
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "sagebuild-")
	if err != nil {
		return nil, err
	}
	log, err := redirectLogs(logs)
	if err != nil {
		return nil, errors.Join(stateError(logs, err), os.RemoveAll(scratch))
	}
	return &connection{display: d, scratch: scratch, log: log}, nil
}

// Build implements Builder.
func (c *connection) Build(ctx context.Context, request Request) (*Result, error) {
	started := time.Now()
	request.Provenance = request.Provenance && c.attests(ctx)
	options, err := buildOptions(request, readHost(os.LookupEnv, request.Secrets))
	if err != nil {
		return nil, err
	}
	rec := newRecord()
	if err := c.solve(ctx, request.Target, options, rec); err != nil {
		return nil, c.explain(ctx, request, rec, err)
	}
	if c.engine != nil {
		c.engine.built.Store(true)
	}
	result := &Result{Duration: time.Since(started)}
	result.Steps, result.CachedSteps = rec.count()
	result.Cached = result.Steps == result.CachedSteps
	if request.Provenance {
		result.Provenance, err = takeProvenance(request.Output)
	}
	return result, err
}

func (c *connection) solve(ctx context.Context, target string, options build.Options, rec *record) error {
	writer, err := c.display.join(target, rec)
	if err != nil {
		return err
	}
	notes := confutil.NewConfig(nil, confutil.WithDir(c.scratch))
	_, err = build.Build(ctx, c.nodes, map[string]build.Options{target: options}, nil, notes, progress.Writer(writer), nil)
	return errors.Join(err, c.display.leave())
}

// each calls f for every node's client.
func (c *connection) each(ctx context.Context, f func(*client.Client) error) error {
	for _, node := range c.nodes {
		endpoint, err := node.Driver.Client(ctx)
		if err != nil {
			return err
		}
		if err := f(endpoint); err != nil {
			return err
		}
	}
	return nil
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
		reserveIn(c.engine.root).release()
		defer reserveIn(c.engine.root).hold()
		if freed, err = removeTree(filepath.Join(c.engine.root, damagedDir)); err != nil {
			return freed, err
		}
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

// Close implements Builder.
func (c *connection) Close() error {
	var errs []error
	if c.engine != nil {
		errs = append(errs, c.engine.close())
	}
	errs = append(errs, c.log.Close(), os.RemoveAll(c.scratch))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the builder: %w", err)
	}
	return nil
}
