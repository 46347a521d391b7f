package builder

import (
	"context"
	"errors"
	"io"
	"os"

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
	state   string    // state directory of an embedded engine, or empty
	engine  ownEngine // nil for builders outside this process
}

// ownEngine is BuildKit inside this process, which Linux alone can run.
type ownEngine interface {
	// nodes lets buildx reach the engine as if it were a remote buildkitd.
	nodes(ctx context.Context) ([]buildx.Node, error)
	// succeeded notes that a build of this run did. Only then is it known what the run used.
	succeeded()
	// findDamage looks, after a solve failed so, for files of the cache that are not what their names say.
	findDamage(ctx context.Context, solve error) error
	// makeRoom deletes a damaged cache that was set aside, and lends its reserve of the disk until done is called.
	makeRoom() (freed int64, done func(), err error)
	close() error
}

// Build implements Builder.
func (c *connection) Build(ctx context.Context, request Request) (*Result, error) {
	request.Provenance = request.Provenance && c.attests(ctx)
	options, err := buildOptions(request, readMachine(os.LookupEnv, request.Secrets))
	if err != nil {
		return nil, err
	}
	rec := newRecord()
	if err := c.solve(ctx, request.Target, options, rec); err != nil {
		return nil, c.explain(ctx, request, rec, err)
	}
	if c.engine != nil {
		c.engine.succeeded()
	}
	result := &Result{StepTime: rec.ownTime()}
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

// Say implements Builder.
func (c *connection) Say(line string) { c.display.say(line) }

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
