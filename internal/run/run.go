// Package run carries out a plan: it opens a builder, makes what the plan takes from the lock, builds the targets
// side by side, and moves what was checked from staging into dist/. It prints nothing but notes and the builder's
// progress.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Project is the definition and the sources that a run works on.
type Project struct {
	Matrix  *matrix.Matrix
	Kernels *kernels.Set
}

// Options are choices of a run that no plan holds: where things lie, and how many are done at a time.
type Options struct {
	Source     string    // directory that the Dockerfile copies from
	Dist       string    // directory that receives wheels and test results
	State      string    // directory of the build cache, bases and interpreters
	Wait       bool      // for another run that uses State
	StateLimit int64     // bytes that the build cache is kept under
	Builder    string    // empty for the embedded one, a name of docker buildx, or an address
	Progress   string    // mode of the progress display
	Out        io.Writer // receives the progress display
	Notes      io.Writer // receives a line for each thing that is made besides the targets
	Jobs       int       // targets at a time; 1 is one build step at a time as well
	KeepGoing  bool      // finish the other targets when one fails
	NoCache    bool      // run every step again
	Parts      string    // directory that receives compiled parts, or from which the plan's imports come; empty for none
	CacheFrom  []string  // caches to import, in buildx syntax, with TargetPlaceholder and PartPlaceholder
	CacheTo    []string  // where to export the cache, in the same syntax
}

// Run is a plan and what it takes to carry it out.
type Run struct {
	Project *Project
	Plan    *bake.Plan
	Options Options

	inputs *inputs // once the run has begun
}

// Result is what came of one target.
type Result struct {
	Target bake.Target
	Row    report.Row
	Err    error // ErrStopped where another target's failure stopped this one
}

// Compile builds every part of the plan, for the cache and for the directory of parts.
func (r *Run) Compile(ctx context.Context) ([]Result, error) { return r.each(ctx, (*session).compile) }

// Test tests every wheel of the plan and moves what the tests wrote into dist/test-results/, whether they pass or not.
func (r *Run) Test(ctx context.Context) ([]Result, error) { return r.each(ctx, (*session).test) }

// work does one target and fills in its row.
type work func(s *session, ctx context.Context, target bake.Target, row *report.Row) error

// each begins the run and does every target.
func (r *Run) each(ctx context.Context, do work) ([]Result, error) {
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	return r.do(ctx, do)
}

// do opens a session, does every target and closes the session. The error is that of the whole run; those of targets
// are in the results.
func (r *Run) do(ctx context.Context, do work) ([]Result, error) {
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	results := s.all(ctx, do)
	err = s.close()
	if ctx.Err() != nil {
		return nil, interrupted(err)
	}
	return results, err
}

// begin finds what can be found wrong before anything is opened, and is ready to hash what decides the targets.
func (r *Run) begin(ctx context.Context) (err error) {
	if err := bake.CheckLocks(r.Options.Source, r.Plan); err != nil {
		return err
	}
	r.inputs, err = newInputs(ctx, r)
	return err
}

// note prints a line for people.
func (r *Run) note(format string, args ...any) {
	if r.Options.Notes != nil {
		fmt.Fprintf(r.Options.Notes, format+"\n", args...)
	}
}

// jobs is how many targets are done at a time. Parts that may come from a cache are done one after the other: of builds
// side by side one may read the base through the connection of another, which ends as soon as its part is found.
func (s *session) jobs() int {
	if len(s.Options.CacheFrom) > 0 && slices.ContainsFunc(s.Plan.Targets, bake.Target.IsPart) {
		return 1
	}
	return s.Options.Jobs
}

// all does every target of the plan.
func (s *session) all(ctx context.Context, do work) []Result {
	results := make([]Result, len(s.Plan.Targets))
	for i, target := range s.Plan.Targets {
		results[i] = newResult(target)
	}
	started, ended := time.Now(), atomic.Int32{}
	errs := pool{s.jobs(), s.Options.KeepGoing}.each(ctx, len(results), func(ctx context.Context, i int) error {
		err := do(s, ctx, results[i].Target, &results[i].Row)
		s.builder.Say(progress(int(ended.Add(1)), len(results), time.Since(started), results[i].Target.Name, err))
		return err
	})
	for i, err := range errs {
		results[i].fail(err)
	}
	return results
}

// newResult is that of a target of which nothing has come yet.
func newResult(target bake.Target) Result {
	return Result{Target: target, Row: report.Row{Target: target.Name, SMs: target.SMs, Excluded: target.Excluded}}
}

// progress is the line that is shown when a target ends.
func progress(ended, all int, after time.Duration, target string, err error) string {
	how := "done"
	if err != nil {
		how = "failed"
	}
	return fmt.Sprintf("%d of %s after %s: %s %s", ended, ui.Count(all, "target"), after.Round(time.Second), target, how)
}

// interrupted is the error of a run that the user stopped. Only a run that closed in order may say that nothing is
// left.
func interrupted(closing error) error {
	if closing == nil {
		return &diag.Error{Class: diag.Interrupted, Message: "interrupted; nothing was left behind"}
	}
	return &diag.Error{Class: diag.Interrupted, Message: "interrupted, and something may be left behind", Hint: "sagebuild clean", Err: closing}
}

// Failed lists the targets that failed by themselves, and the error of the first.
func Failed(results []Result) (failed []bake.Target, first error) {
	for _, result := range results {
		if result.Err == nil || errors.Is(result.Err, ErrStopped) {
			continue
		}
		failed = append(failed, result.Target)
		if first == nil {
			first = result.Err
		}
	}
	return failed, first
}
