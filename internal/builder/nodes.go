package builder

import (
	"context"
	"errors"
	"net"
	"sync"

	buildx "github.com/docker/buildx/builder"
	"github.com/docker/buildx/driver"
	"github.com/docker/buildx/store"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/moby/buildkit/client"

	// The kinds of builders that docker buildx knows.
	_ "github.com/docker/buildx/driver/docker"
	_ "github.com/docker/buildx/driver/docker-container"
	_ "github.com/docker/buildx/driver/kubernetes"
	_ "github.com/docker/buildx/driver/remote"
)

// remoteDriver is buildx's driver for a buildkitd that it did not start.
func remoteDriver(ctx context.Context, address string) (*driver.DriverHandle, error) {
	factory, err := driver.GetFactory("remote", false)
	if err != nil {
		return nil, err
	}
	return driver.GetDriver(ctx, factory, driver.InitConfig{Name: "sagebuild", EndpointAddr: address})
}

func nodeOf(handle *driver.DriverHandle, address string) []buildx.Node {
	return []buildx.Node{{Node: store.Node{Name: "sagebuild", Endpoint: address}, Builder: "sagebuild", Driver: handle}}
}

// embeddedNodes lets buildx reach the engine as if it were a remote buildkitd.
func embeddedNodes(ctx context.Context, e *engine) ([]buildx.Node, error) {
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

// addressNodes connects to the buildkitd at address.
func addressNodes(ctx context.Context, address string) ([]buildx.Node, error) {
	handle, err := remoteDriver(ctx, address)
	if err != nil {
		return nil, err
	}
	return nodeOf(handle, address), nil
}

// namedNodes loads a builder from docker buildx's own store, starting it when it can be started.
func namedNodes(ctx context.Context, name string) ([]buildx.Node, error) {
	cli, err := dockerCLI()
	if err != nil {
		return nil, err
	}
	b, err := buildx.New(cli, buildx.WithName(name))
	if err != nil {
		return nil, err
	}
	if _, err := b.Boot(ctx); err != nil {
		return nil, err
	}
	nodes, err := b.LoadNodes(ctx)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, node := range nodes {
		failures = append(failures, node.Err)
	}
	return nodes, errors.Join(failures...)
}

// dockerCLI gives access to Docker's configuration files; no engine need run.
func dockerCLI() (command.Cli, error) {
	cli, err := command.NewDockerCli()
	if err != nil {
		return nil, err
	}
	return cli, cli.Initialize(flags.NewClientOptions())
}
