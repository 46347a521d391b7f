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
	"github.com/sagebuild/sagebuild/matrix"
)

// check compares a wheel with its plan. All that is wrong is in one error.
func (p *Project) check(path string, target bake.Target) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return &diag.Error{Class: diag.Verification, Message: fmt.Sprintf("stage %s made no file named %s", target.Stage, target.Wheel)}
	}
	findings, err := wheel.Verify(path, p.expectation(target))
	if err != nil {
		return fmt.Errorf("checking %s: %w", target.Wheel, err)
	}
	var wrong []error
	for _, finding := range findings {
		if finding.Severity == wheel.Error {
			wrong = append(wrong, errors.New(strings.TrimPrefix(finding.String(), "error: ")))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &diag.Error{Class: diag.Verification, Message: target.Wheel + " is not what the plan says",
		Err: errors.New(strings.ReplaceAll(errors.Join(wrong...).Error(), "\n", "; ")), Hint: "sagebuild bake --print " + target.Cell}
}

// expectation is what the plan, the matrix and kernels.toml say about a wheel.
func (p *Project) expectation(target bake.Target) wheel.Expectation {
	cell := target.Selection.Cell
	newest := cell.NewestSM()
	want := wheel.Expectation{
		Filename: target.Wheel, Distribution: cell.Package.Distribution, Version: cell.Package.Version.String(),
		BuildTag:     cell.BuildTag(),
		Tags:         []string{cell.Tag()},
		RequiresDist: []string{cell.TorchRequirement()}, RequiresPython: cell.PythonRequirement(),
		Members: []string{"sageattention/__init__.py", "sageattention/lib/" + cell.Platform.Library,
			"sageattention/lib/sageattn.fatbin", distInfo(cell) + "/sboms/sagebuild.cdx.json"},
		SMs: cell.SMs, PTX: &newest, GlibcFloor: cell.Platform.Glibc.String(), // empty where there is no glibc
		Exports:  p.Kernels.Exports,
		Suffixes: map[matrix.SM]string{}, Kernels: map[matrix.SM][]string{},
	}
	for _, sm := range cell.SMs {
		for _, source := range p.Kernels.For(sm) {
			want.Kernels[sm] = append(want.Kernels[sm], source.Kernels...)
			if source.Suffix != "" {
				want.Suffixes[sm] = source.Suffix
			}
		}
	}
	return want
}

// distInfo is the directory of a wheel's metadata.
func distInfo(cell matrix.Cell) string {
	return strings.ReplaceAll(wheel.NormalizeName(cell.Package.Distribution), "-", "_") + "-" + cell.Package.Version.String() + ".dist-info"
}
