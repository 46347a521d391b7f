package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// load reads the definition and the sources that a command works on.
func (o planOptions) load(ctx context.Context) (*run.Project, error) {
	m, err := loadMatrix(ctx, o.matrix)
	if err != nil {
		return nil, err
	}
	set, err := kernels.Read(o.source)
	if err != nil {
		return nil, err
	}
	return &run.Project{Matrix: m, Kernels: set}, nil
}

// makePlan decides everything that a command will do. The wheel is the file that a test takes instead of building
// one.
func (o *buildOptions) makePlan(command string, p *run.Project, selection []matrix.Selection, wheel string) (*bake.Plan, error) {
	if err := o.checkCaches(len(selection)); err != nil {
		return nil, err
	}
	options := o.planOptions(command)
	options.WheelFile = wheel
	if o.parts != "" {
		var err error
		if options.PartsDir, err = filepath.Abs(o.parts); err != nil {
			return nil, err
		}
	}
	return bake.NewPlan(p.Matrix, p.Kernels, selection, options)
}

func (o *buildOptions) planOptions(command string) bake.PlanOptions {
	return bake.PlanOptions{
		Command: command,
		// The stage that hands over the results even when a test fails: a JUnit file outlives the failure that it
		// describes.
		TestStage:       bake.StageTestReport,
		Output:          o.plan.dist,
		SourceDateEpoch: os.Getenv("SOURCE_DATE_EPOCH"),
		BaseImage:       o.base,
		PythonImage:     o.pythonImage,
		Locked:          true,
	}
}

// selectBuilds is Select without tests, which a pattern may match as well.
func selectBuilds(m *matrix.Matrix, names []string) ([]matrix.Selection, error) {
	selection, err := m.Select(names)
	if err != nil {
		return nil, err
	}
	builds := slices.DeleteFunc(slices.Clone(selection), func(s matrix.Selection) bool { return s.Test != nil })
	if len(builds) == 0 {
		return nil, diag.Usagef(diag.Command(append([]string{"sagebuild", "test"}, names...)...), "%s names tests, and bake makes wheels", strings.Join(names, " "))
	}
	return builds, nil
}

// singleTarget refuses more than one target where a flag is about one.
func singleTarget(selection []matrix.Selection, flag string) error {
	if len(selection) != 1 {
		return diag.Usagef("sagebuild matrix", "%s goes with one target, got %d", flag, len(selection))
	}
	return nil
}

// cellOfWheel finds the target whose wheel has this file name. The hint is for those that have none.
func cellOfWheel(m *matrix.Matrix, name, hint string) (string, error) {
	for _, cell := range m.Cells() {
		if cell.WheelName() == name {
			return cell.Target(), nil
		}
	}
	return "", diag.Usagef(hint, "no target of the matrix makes a wheel named %s", name)
}
