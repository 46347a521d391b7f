package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/run"
)

const bakeHelp = `Bake builds the wheels of the targets, groups and patterns that are named, of the group default where none is.

It expands the matrix, drives BuildKit, and leaves each wheel in dist/ once its checks passed: file name, metadata,
RECORD hashes, the SMs inside, the glibc that it needs. A wheel that fails is never in dist/. Beside each wheel lies its
SLSA provenance, as BuildKit attests it, and SHA256SUMS lists both. What targets share is built once. The run ends with a
table of all targets; which SMs a CUDA leaves out, and why, is said at its start.

A wheel that an earlier bake left in --dist is up to date, and is not built again, while nothing changed that decides it: its
sources, its place in the matrix, the commit that its provenance names, this program. With --no-cache or --cache-to every
wheel is built.

Without --builder an embedded BuildKit does the work, which needs root and runc. With --print nothing is done, and the
plan is printed as JSON: targets, stages, build arguments, contexts, SMs left out.`

const bakeExamples = `  sagebuild bake
  sagebuild bake sage2-all --keep-going
  sagebuild bake universal
  sagebuild bake 'windows-*-python312' --dist /srv/wheels
  sagebuild bake pytorch28 --print
  sagebuild bake sage2-all --builder tcp://buildkitd:1234 --base debian:bookworm-slim`

func newBake(app *App) *cobra.Command {
	options := &buildOptions{jobs: 4}
	cmd := &cobra.Command{
		Use:     "bake [TARGET|GROUP|PATTERN]...",
		Short:   "Build wheels into dist/",
		Long:    bakeHelp,
		Example: bakeExamples,
		RunE:    func(cmd *cobra.Command, names []string) error { return runBake(cmd.Context(), app, options, names) },
	}
	options.addFlags(cmd.Flags())
	app.addJSON(cmd, "the results")
	return cmd
}

func runBake(ctx context.Context, app *App, options *buildOptions, names []string) error {
	if err := options.check(); err != nil {
		return err
	}
	p, err := options.plan.load(ctx)
	if err != nil {
		return err
	}
	selection, err := selectBuilds(p.Matrix, names)
	if err != nil {
		return err
	}
	r, err := options.prepare(app, "bake", p, selection, "")
	if err != nil || r == nil {
		return err
	}
	return options.execute(ctx, app, r, (*run.Run).Bake)
}
