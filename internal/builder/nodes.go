package builder

import (
	"context"
	"errors"

	buildx "github.com/docker/buildx/builder"
	"github.com/docker/buildx/driver"
	"github.com/docker/buildx/store"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"

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
