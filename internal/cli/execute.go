package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/matrix"
)

// prepare plans the run of a command, as newRun does it. The wheel is the file that a test takes instead of building
// one.
func (o *buildOptions) prepare(app *App, command string, p *run.Project, selection []matrix.Selection, wheel string) (*run.Run, error) {
	plan, err := o.makePlan(command, p, selection, wheel)
	if err != nil {
		return nil, err
	}
	return o.newRun(app, p, plan)
}

// newRun is the run of a plan. With --print it prints the plan instead, and the run is nil.
func (o *buildOptions) newRun(app *App, p *run.Project, plan *bake.Plan) (*run.Run, error) {
	if o.print {
		return nil, app.Console.JSON(plan)
	}
	state, err := o.state.dir()
	if err != nil {
		return nil, err
	}
	return &run.Run{Project: p, Plan: plan, Options: run.Options{
		Source: o.plan.source, Dist: o.plan.dist, State: state, StateLimit: int64(o.stateLimit), Wait: o.wait,
		Builder: o.builder, Progress: string(o.progress), Out: app.Console.Err, Notes: o.notes(app.Console),
		Jobs: o.jobs, KeepGoing: o.keepGoing, NoCache: o.noCache, CacheFrom: o.cacheFrom, CacheTo: o.cacheTo, Parts: o.parts,
	}}, nil
}

// place gives a run the directory that receives what it makes: the one that keeps it, or a temporary one. It returns the
// function that removes the temporary one.
func place(r *run.Run, keep string) (func(), error) {
	if keep != "" {
		r.Options.Dist = keep
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "sagebuild-")
	r.Options.Dist = dir
	return func() { _ = os.RemoveAll(dir) }, err
}

// execute carries out a plan by one of a run's methods and prints the table of its targets. An interrupted run ends
// without a table.
func (o *buildOptions) execute(ctx context.Context, app *App, r *run.Run, do func(*run.Run, context.Context) ([]run.Result, error)) error {
	sayExclusions(r.Options.Notes, r.Plan)
	start := time.Now()
	results, err := do(r, ctx)
	if err != nil {
		return err
	}
	summary := report.Summary{Command: r.Plan.Command, Seconds: time.Since(start).Seconds()}
	for _, result := range results {
		summary.Rows = append(summary.Rows, result.Row)
	}
	if err := app.print(summary, summary.WriteText); err != nil {
		return err
	}
	return runError(results, r.Plan.Command)
}

// runError sums up what the table shows target by target. Its class is that of the first failure, and its hint too,
// or else the command that shows more.
func runError(results []run.Result, command string) error {
	failed, first := run.Failed(results)
	if first == nil {
		return nil
	}
	names := make([]string, len(failed))
	for i, target := range failed {
		names[i] = target.Cell
	}
	hint := diag.Command(append([]string{"sagebuild", command, "--progress", "plain"}, names...)...)
	var cause *diag.Error
	if errors.As(first, &cause) && cause.Hint != "" {
		hint = cause.Hint
	}
	return reported(diag.ClassOf(first), hint, "%d of %s failed", len(failed), ui.Count(len(results), "target"))
}

// sayExclusions tells, once each, which SMs the wheels of a CUDA leave out and why, and which run another SM's code.
func sayExclusions(notes io.Writer, plan *bake.Plan) {
	said := map[string]bool{}
	say := func(format string, args ...any) {
		if line := fmt.Sprintf(format, args...); !said[line] {
			said[line] = true
			fmt.Fprintln(notes, line)
		}
	}
	for _, target := range plan.Targets {
		for of := target.Excluded; len(of) > 0; {
			first, n := of[0], 1
			for n < len(of) && of[n].Reason == first.Reason {
				n++
			}
			say("CUDA %s leaves out SM %s: %s (%s)", target.CUDA, smNames(of[:n]), first.Reason, first.Source)
			of = of[n:]
		}
		for _, shared := range target.Shared {
			say("CUDA %s: SM %s runs the code of %s, which is the same (%s)", target.CUDA, shared.SM, shared.Of, shared.Source)
		}
	}
}

// smNames is "7.0, 7.5 and 8.0".
func smNames(excluded []bake.Exclusion) string {
	names := make([]matrix.SM, len(excluded))
	for i, e := range excluded {
		names[i] = e.SM
	}
	return matrix.Sentence(names)
}
