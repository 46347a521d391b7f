package run

import (
	"context"
	"os"
	"path/filepath"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/sums"
)

// Bake builds every wheel of the plan, checks it and moves it into dist/. A wheel is left alone that lies there already, as
// a bake made it of the same inputs; where all do, no builder is opened.
func (r *Run) Bake(ctx context.Context) ([]Result, error) {
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	known, err := r.openRecords()
	if err != nil {
		return nil, err
	}
	found := known.find(ctx)
	if ctx.Err() != nil {
		return nil, interrupted(nil)
	}
	rest := r.without(found)
	if len(rest.Plan.Targets) == 0 {
		return merge(found, nil), nil
	}
	built, err := rest.do(ctx, func(s *session, ctx context.Context, target bake.Target, row *report.Row) error {
		files, err := s.bake(ctx, target, row)
		if err == nil {
			known.keep(target, files)
		}
		return err
	})
	if built == nil {
		return nil, err
	}
	return merge(found, built), err
}

// without is the run of the targets that nothing was found of.
func (r *Run) without(found []*Result) *Run {
	rest, plan := *r, *r.Plan
	plan.Targets = nil
	for i, target := range r.Plan.Targets {
		if found[i] == nil {
			plan.Targets = append(plan.Targets, target)
		}
	}
	rest.Plan = &plan
	return &rest
}

// merge puts the results of what was built into the places where nothing was found.
func merge(found []*Result, built []Result) []Result {
	all := make([]Result, len(found))
	for i, result := range found {
		if result != nil {
			all[i] = *result
			continue
		}
		all[i], built = built[0], built[1:]
	}
	return all
}

// bake builds one wheel, checks it in staging and moves it into dist/. It returns the hashes of what it published.
func (s *session) bake(ctx context.Context, target bake.Target, row *report.Row) (sums.List, error) {
	path, result, err := s.buildWheel(ctx, target)
	if err != nil {
		return nil, err
	}
	row.Seconds = result.StepTime.Seconds()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	published, files, err := s.staging.publishWheel(path)
	if err != nil {
		return nil, err
	}
	row.Wheel, row.Size, row.Outcome = relative(published), info.Size(), outcome(result)
	return files, nil
}

// buildWheel builds one wheel into staging, with its provenance beside it where the builder gives one, and checks both.
func (s *session) buildWheel(ctx context.Context, target bake.Target) (string, *builder.Result, error) {
	dir, result, err := s.build(ctx, target)
	if err != nil {
		return "", nil, err
	}
	path := filepath.Join(dir, target.Wheel)
	if err := s.Project.check(path, target); err != nil || result.Provenance == nil {
		return path, result, err
	}
	if err := checkProvenance(path, result.Provenance); err != nil {
		return "", nil, err
	}
	return path, result, s.staging.write(provenance.StatementFile(path), result.Provenance)
}

// checkProvenance wants a statement about exactly this wheel.
func checkProvenance(wheel string, text []byte) error {
	sum, err := digest.File(wheel)
	if err != nil {
		return err
	}
	if err := provenance.CheckStatement(text, filepath.Base(wheel), sum); err != nil {
		return &diag.Error{Class: diag.Mismatch, Message: "the provenance of " + filepath.Base(wheel) + " is not of this wheel", Err: err}
	}
	return nil
}

// outcome of a build that succeeded.
func outcome(result *builder.Result) report.Outcome {
	if result.Cached {
		return report.Cached
	}
	return report.Built
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
