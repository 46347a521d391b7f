package run

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/system"
)

// inputsFile lies in the directory of a part, beside out/ with the code, and holds the hash of what the code was made of.
const inputsFile = "inputs.sha256"

// compile builds one part. Where the run keeps parts, it moves the part into its directory, with the hash of its inputs.
func (s *session) compile(ctx context.Context, target bake.Target, row *report.Row) error {
	if s.Options.Parts == "" {
		_, err := s.buildPart(ctx, target, row)
		return err
	}
	inputs, err := s.inputs.fresh().of(target)
	if err != nil {
		return err
	}
	dir, err := s.buildPart(ctx, target, row)
	if err != nil {
		return err
	}
	return s.publishPart(dir, target, inputs)
}

// buildPart builds one part into a directory of staging.
func (s *session) buildPart(ctx context.Context, target bake.Target, row *report.Row) (string, error) {
	dir, result, err := s.build(ctx, target)
	if err != nil {
		return "", err
	}
	row.Outcome = outcome(result)
	if row.Size, err = system.TreeSize(dir); err != nil {
		return "", err
	}
	if row.Size == 0 {
		return "", &diag.Error{Class: diag.Mismatch, Message: "stage " + target.Stage + " made no file"}
	}
	return dir, nil
}

// publishPart moves a part into the directory of parts, if the hash of its inputs is still the same.
func (s *session) publishPart(dir string, target bake.Target, inputs string) error {
	now, err := s.inputs.fresh().of(target)
	if err != nil {
		return err
	}
	if now != inputs {
		return &diag.Error{Class: diag.Failed, Message: "its sources changed while it was compiled", Hint: diag.Command("sagebuild", "compile", "--output", s.Options.Parts, target.Name)}
	}
	if err := os.WriteFile(filepath.Join(dir, inputsFile), []byte(inputs+"\n"), 0o644); err != nil {
		return err
	}
	_, err = s.staging.publishDir(dir, target.Name)
	return err
}

// checkParts reports parts that are missing, or were made of something else than what this run would compile.
func (r *Run) checkParts() error {
	var wrong []string
	for _, part := range r.Plan.Imports {
		want, err := r.inputs.of(part)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(r.Options.Parts, part.Name, inputsFile))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			wrong = append(wrong, part.Name+" is not there")
		case err != nil:
			return err
		case strings.TrimSpace(string(got)) != want:
			wrong = append(wrong, part.Name+" was compiled from other inputs")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &diag.Error{Class: diag.Usage, Message: "parts in " + r.Options.Parts + ": " + strings.Join(wrong, ", "),
		Hint: diag.Command("sagebuild", "compile", "--output", r.Options.Parts, "TARGET")}
}
