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
)

// bake builds one wheel, checks it in staging and moves it into dist/.
func (s *session) bake(ctx context.Context, target bake.Target, row *report.Row) error {
	path, result, err := s.buildWheel(ctx, target)
	if err != nil {
		return err
	}
	row.Seconds = result.StepTime.Seconds()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	published, err := s.staging.publishWheel(path)
	if err != nil {
		return err
	}
	row.Wheel, row.Size, row.Outcome = relative(published), info.Size(), outcome(result)
	return nil
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
