package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	buildx "github.com/docker/buildx/builder"
	"github.com/moby/buildkit/client"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func openEmbedded(ctx context.Context, config Config) (Builder, error) {
	if config.State == "" {
		return nil, errors.New("internal error: the embedded builder has no state directory")
	}
	state, err := filepath.Abs(config.State)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(state, ":,") {
		return nil, diag.Usagef("--state /var/cache/sagebuild", "the state directory %s has a colon or a comma in its path, and overlay mounts cannot name it", state)
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
	if c.nodes, err = embeddedNodes(ctx, c.engine); err == nil {
		err = c.makeScratch()
	}
	if err != nil {
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
	if err := c.makeScratch(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// makeScratch comes after the engine, which has temporary files of this process in its own directory.
func (c *connection) makeScratch() (err error) {
	c.scratch, err = os.MkdirTemp("", "sagebuild-")
	return err
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
	log, err := redirectLogs(logs)
	if err != nil {
		return nil, stateError(logs, err)
	}
	return &connection{display: d, log: log}, nil
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
