package run

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/builder"
)

// session is a run that is under way: an open builder, a staging directory, and the trees that the plan takes from
// the lock.
type session struct {
	*Run
	builder builder.Builder
	staging *staging
	trees   map[bake.Locked]string // contexts by what they hold
}

// open opens everything that a run needs, the builder first: the lock of its state directory keeps other runs out. On
// failure nothing stays open.
func (r *Run) open(ctx context.Context) (_ *session, err error) {
	s := &session{Run: r}
	if err := r.checkParts(); err != nil {
		return nil, err
	}
	s.builder, err = builder.Open(ctx, builder.Config{
		Address: r.Options.Builder, State: r.Options.State, StateLimit: r.Options.StateLimit, Wait: r.Options.Wait,
		Steps:   stepsAtATime(r.Options.Jobs),
		Display: builder.Display{Mode: r.Options.Progress, Out: r.Options.Out},
		Notes:   r.Options.Notes,
	})
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		closing := s.close()
		if ctx.Err() != nil {
			return nil, interrupted(closing)
		}
		return nil, errors.Join(err, closing)
	}
	return s, nil
}

// stepsAtATime is for builder.Config: who wants one target at a time is short of memory, and a target alone compiles
// for many SMs side by side.
func stepsAtATime(jobs int) int {
	if jobs == 1 {
		return 1
	}
	return 0
}

func (s *session) prepare(ctx context.Context) (err error) {
	if s.trees, err = s.makeTrees(ctx); err != nil {
		return err
	}
	s.staging, err = newStaging(s.Options.Dist)
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
	source, err := filepath.Abs(s.Options.Source)
	if err != nil {
		return "", nil, err
	}
	contexts, err := s.contexts(target)
	if err != nil {
		return "", nil, err
	}
	result, err := s.builder.Build(ctx, builder.Request{
		Target: target.Name, Dockerfile: s.inputs.dockerfile, Stage: target.Stage, Source: source,
		Contexts: contexts, Args: target.Args, Platform: bake.BuildPlatform, Secrets: bake.EnvironmentSecrets, Output: dir, Place: s.Options.Dist,
		CacheFrom: caches(s.Options.CacheFrom, target), CacheTo: caches(s.Options.CacheTo, target),
		NoCache: s.Options.NoCache, Provenance: target.Stage == bake.StageWheel, Commit: s.inputs.commit, Repository: s.inputs.repository,
	})
	return dir, result, err
}

// TargetPlaceholder stands for a target's name in the caches of Options, PartPlaceholder for that of a part.
const (
	TargetPlaceholder = "{target}"
	PartPlaceholder   = "{part}"
)

func caches(options []string, target bake.Target) []string {
	name := strings.NewReplacer(TargetPlaceholder, target.Name, PartPlaceholder, target.Name)
	var all []string
	for _, option := range options {
		all = append(all, name.Replace(option))
	}
	return all
}
