//go:build linux

package builder

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	buildx "github.com/docker/buildx/builder"
	"github.com/docker/buildx/driver"
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
	if err := checkState(state); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, stateError(state, err)
	}
	if state, err = withoutLinks(state); err != nil {
		return nil, err
	}
	c, err := newConnection(config, state)
	if err != nil {
		return nil, err
	}
	c.state = state
	engine, err := startEngine(ctx, engineRoot(state), config)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.engine = engine
	if c.nodes, err = engine.nodes(ctx); err == nil {
		err = c.makeScratch()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// checkState refuses a path that overlay mounts cannot name.
func checkState(state string) error {
	if strings.ContainsAny(state, ":,") {
		return diag.Usagef("--state /var/cache/sagebuild", "the state directory %s has a colon or a comma in its path, and overlay mounts cannot name it", state)
	}
	return nil
}

// withoutLinks is the path of a state directory by which the kernel and runc tell of mounts and containers in it.
func withoutLinks(state string) (string, error) {
	real, err := filepath.EvalSymlinks(state)
	if err != nil {
		return "", stateError(state, err)
	}
	return real, checkState(real)
}

// nodes implements ownEngine.
func (e *engine) nodes(ctx context.Context) ([]buildx.Node, error) {
	handle, err := remoteDriver(ctx, "")
	if err != nil {
		return nil, err
	}
	return nodeOf(&driver.DriverHandle{Driver: &embeddedDriver{Driver: handle.Driver, engine: e}}, ""), nil
}

// embeddedDriver is the remote driver with the engine at the other end.
type embeddedDriver struct {
	driver.Driver
	engine *engine

	once   sync.Once
	client *client.Client
	err    error
}

// Info implements driver.Driver: an engine that exists runs.
func (d *embeddedDriver) Info(context.Context) (*driver.Info, error) {
	return &driver.Info{Status: driver.Running}, nil
}

// Dial implements driver.Driver.
func (d *embeddedDriver) Dial(ctx context.Context) (net.Conn, error) { return d.engine.dial(ctx) }

// Client implements driver.Driver. All requests share one connection.
func (d *embeddedDriver) Client(ctx context.Context, options ...client.ClientOpt) (*client.Client, error) {
	d.once.Do(func() { d.client, d.err = d.engine.newClient(context.WithoutCancel(ctx), options...) })
	return d.client, d.err
}
