package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/report"
)

const bakeHelp = `Bake builds the wheels of the targets, groups and patterns that are named, of the group default where none is.

It expands the matrix, drives BuildKit, and leaves each wheel in dist/ after it was verified: file name, metadata,
RECORD hashes, the SMs inside, the glibc that it needs. A wheel that fails is never in dist/. Beside each wheel lies its
SLSA provenance, as BuildKit attests it, and SHA256SUMS lists both. What targets share is built once. The run ends with a
table of all targets; which SMs a CUDA leaves out, and why, is said at its start.

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
	p, err := options.plan.load()
	if err != nil {
		return err
	}
	selection, err := selectBuilds(p.matrix, names)
	if err != nil {
		return err
	}
	plan, err := options.makePlan(p, selection, "")
	if err != nil {
		return err
	}
	if options.print {
		return app.Console.JSON(plan)
	}
	return execute(ctx, app, p, options, plan, p.bakeTarget)
}

// bakeTarget builds one wheel, verifies it in staging and moves it into dist/.
func (p *project) bakeTarget(ctx context.Context, s *session, target bake.Target, row *report.Row) error {
	path, result, err := p.buildWheel(ctx, s, target)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if row.Wheel, err = s.staging.publishWheel(path); err != nil {
		return err
	}
	row.Wheel, row.Size, row.Outcome = relative(row.Wheel), info.Size(), outcome(result)
	return nil
}

// buildWheel builds one wheel into staging, with its provenance beside it where the builder gives one, and verifies both.
func (p *project) buildWheel(ctx context.Context, s *session, target bake.Target) (string, *builder.Result, error) {
	dir, result, err := s.build(ctx, target)
	if err != nil {
		return "", nil, blameMachine(err)
	}
	path := filepath.Join(dir, target.Wheel)
	if err := p.verify(path, target); err != nil || result.Provenance == nil {
		return path, result, err
	}
	if err := checkProvenance(path, result.Provenance); err != nil {
		return "", nil, err
	}
	return path, result, os.WriteFile(provenance.StatementFile(path), result.Provenance, 0o644)
}

// checkProvenance wants a statement about exactly this wheel.
func checkProvenance(wheel string, text []byte) error {
	sum, err := digest.File(wheel)
	if err != nil {
		return err
	}
	if err := provenance.CheckStatement(text, filepath.Base(wheel), sum); err != nil {
		return &diag.Error{Class: diag.Verification, Message: "the provenance of " + filepath.Base(wheel) + " is not of this wheel", Err: err}
	}
	return nil
}

// relative shortens a path below the working directory for people.
func relative(path string) string {
	working, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(working, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}
