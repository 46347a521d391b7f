package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	buildx "github.com/docker/buildx/builder"
	"github.com/moby/buildkit/client"
)

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
