package cli

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/report"
)

// session is one run of a plan: an open builder, real contexts in place of the plan's, and a staging directory.
type session struct {
	options              *buildOptions
	plan                 *bake.Plan
	bakefile, dockerfile []byte
	builder              builder.Builder
	staging              *staging
	contexts             map[string]string
}

// openSession opens everything that a run needs, the builder first: the lock of its state directory keeps other runs
// out. On failure nothing stays open.
func openSession(ctx context.Context, app *App, p *project, options *buildOptions, plan *bake.Plan) (_ *session, err error) {
	s := &session{options: options, plan: plan}
	if s.bakefile, err = bake.RenderBake(p.matrix, p.kernels); err != nil {
		return nil, err
	}
	if s.dockerfile, err = bake.RenderDockerfile(p.matrix, p.kernels); err != nil {
		return nil, err
	}
	state, err := options.state.dir()
	if err != nil {
		return nil, err
	}
	s.builder, err = builder.Open(ctx, builder.Config{
		Address: options.builder, State: state, StateLimit: int64(options.stateLimit),
		Display: builder.Display{Mode: string(options.progress), Out: app.Console.Err},
	})
	if err != nil {
		return nil, err
	}
	if err = s.prepare(ctx, app, state); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *session) prepare(ctx context.Context, app *App, state string) (err error) {
	if s.contexts, err = resolveContexts(ctx, app.Console, s.options.plan.source, state, s.plan); err != nil {
		return err
	}
	s.staging, err = newStaging(s.options.plan.dist)
	return err
}

func (s *session) close() error {
	var err error
	if s.staging != nil {
		err = s.staging.close()
	}
	return errors.Join(err, s.builder.Close())
}

// build runs one target of the plan into a directory of its own below staging.
func (s *session) build(ctx context.Context, target bake.Target) (string, *builder.Result, error) {
	dir, err := s.staging.target(target.Name)
	if err != nil {
		return "", nil, err
	}
	source, err := filepath.Abs(s.options.plan.source)
	if err != nil {
		return "", nil, err
	}
	contexts := map[string]string{}
	for name, planned := range target.Contexts {
		contexts[name] = s.resolved(planned)
	}
	result, err := s.builder.Build(ctx, builder.Request{
		Bakefile: s.bakefile, Dockerfile: s.dockerfile, Source: source,
		Target: target.Name, Stage: target.Stage, Output: dir, Contexts: contexts,
		Variables: map[string]string{"SOURCE_DATE_EPOCH": target.Args["SOURCE_DATE_EPOCH"]},
		CacheFrom: caches(s.options.cacheFrom, target.Name), CacheTo: caches(s.options.cacheTo, target.Name), NoCache: s.options.noCache,
		Provenance: target.Stage == bake.StageWheel,
	})
	return dir, result, err
}

func (s *session) resolved(planned string) string {
	if real, ok := s.contexts[planned]; ok {
		return real
	}
	return planned
}

// outcome of a build that succeeded.
func outcome(result *builder.Result) report.Outcome {
	if result.Cached {
		return report.Cached
	}
	return report.Built
}
