package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	buildx "github.com/docker/buildx/builder"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/tracing/detect"

	// The session protocol compresses with this codec.
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto"
)

// Without a recorder every solve logs that none was found.
func init() { detect.Recorder = detect.NewTraceRecorder() }

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
