package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// check compares a wheel with its plan. All that is wrong is in one error.
func (p *Project) check(path string, target bake.Target) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return &diag.Error{Class: diag.Mismatch, Message: fmt.Sprintf("stage %s made no file named %s", target.Stage, target.Wheel)}
	}
	findings, err := wheel.Check(path, wheel.Expect(target.Selection.Cell, p.Kernels))
	if err != nil {
		return fmt.Errorf("checking %s: %w", target.Wheel, err)
	}
	var wrong []error
	hint := diag.Command("sagebuild", "bake", "--print", target.Cell)
	for _, f := range findings {
		if f.Code == finding.CodeCompiled { // it lay in the build cache since
			hint = "sagebuild clean --all"
		}
		if f.Severity == finding.Error {
			wrong = append(wrong, errors.New(strings.TrimPrefix(f.String(), "error: ")))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &diag.Error{Class: diag.Mismatch, Message: target.Wheel + " is not what the plan says",
		Err: errors.New(strings.ReplaceAll(errors.Join(wrong...).Error(), "\n", "; ")), Hint: hint}
}
