package cli

import (
	"context"
	"errors"
	"time"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
)

// work does one target and fills in its row of the table that ends the run.
type work func(ctx context.Context, s *session, target bake.Target, row *report.Row) error

// execute runs a plan: builder, targets, table. An interrupted run ends without a table.
func execute(ctx context.Context, app *App, p *project, options *buildOptions, plan *bake.Plan, do work) (err error) {
	if options.progress != "json" { // whose readers want nothing else on standard error
		sayExclusions(app.Console, plan)
	}
	start := time.Now()
	rows, errs, err := runPlan(ctx, app, p, options, plan, do)
	if err != nil {
		return err
	}
	summary := report.Summary{Command: plan.Command, Seconds: time.Since(start).Seconds(), Rows: rows}
	if err := writeSummary(app, summary); err != nil {
		return err
	}
	return runError(plan, errs)
}

// runPlan opens a session, does every target and closes the session. The error is that of the whole run.
func runPlan(ctx context.Context, app *App, p *project, options *buildOptions, plan *bake.Plan, do work) ([]report.Row, []error, error) {
	if err := bake.CheckLocks(options.plan.source, plan); err != nil {
		return nil, nil, err
	}
	s, err := openSession(ctx, app, p, options, plan)
	if err != nil {
		return nil, nil, err
	}
	rows, errs := s.runTargets(ctx, do)
	err = s.close()
	if err != nil || ctx.Err() != nil {
		return nil, nil, errors.Join(ctx.Err(), err)
	}
	return rows, errs, nil
}

func (s *session) runTargets(ctx context.Context, do work) ([]report.Row, []error) {
	rows := make([]report.Row, len(s.plan.Targets))
	at := make([]int, len(rows))
	for i, target := range s.plan.Targets {
		rows[i] = report.Row{Target: target.Name, SMs: target.SMs, Excluded: target.Excluded}
		at[i] = i
	}
	errs := runAll(ctx, at, s.options.jobs, s.options.keepGoing, func(ctx context.Context, i int) error {
		start := time.Now()
		defer func() { rows[i].Seconds = time.Since(start).Seconds() }()
		return do(ctx, s, s.plan.Targets[i], &rows[i])
	})
	for i, err := range errs {
		setFailure(&rows[i], err)
	}
	return rows, errs
}

func writeSummary(app *App, summary report.Summary) error {
	if app.JSON {
		return summary.WriteJSON(app.Console.Out)
	}
	return summary.WriteText(app.Console.Out, app.Console.OutColor)
}

// runError sums up what the table shows target by target. Its class is that of the first failure.
func runError(plan *bake.Plan, errs []error) error {
	var first error
	failed := []bake.Target{}
	for i, err := range errs {
		if err == nil || errors.Is(err, errStopped) {
			continue
		}
		failed = append(failed, plan.Targets[i])
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return nil
	}
	hint := "sagebuild " + plan.Command + " --progress plain " + targetNames(failed)
	var cause *diag.Error
	if errors.As(first, &cause) && cause.Hint != "" {
		hint = cause.Hint
	}
	return reported(diag.ClassOf(first), hint, "%d of %s failed", len(failed), describe(len(errs), "target"))
}
