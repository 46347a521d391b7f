package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// fromLock marks contexts of a plan that this machine makes from lock/system.hcl: a Debian root and interpreters.
const fromLock = "lock://"

// project is the definition and the sources that a command works on.
type project struct {
	matrix  *matrix.Matrix
	kernels *kernels.Set
}

func (o planOptions) load() (*project, error) {
	m, err := matrix.Load(o.matrix)
	if err != nil {
		return nil, err
	}
	set, err := kernels.Read(o.source)
	if err != nil {
		return nil, err
	}
	return &project{m, set}, nil
}

// makePlan is what the command will do; nothing after it decides anything.
func (o *buildOptions) makePlan(p *project, selection []matrix.Selection, wheelFile string) (*bake.Plan, error) {
	if err := o.checkCaches(len(selection)); err != nil {
		return nil, err
	}
	return bake.NewPlan(p.matrix, p.kernels, selection, bake.PlanOptions{
		Output:          o.plan.dist,
		SourceDateEpoch: os.Getenv("SOURCE_DATE_EPOCH"),
		Base:            orLock(image(o.base), "debian"),
		Python:          o.python,
		Emulator:        o.emulator,
		WheelFile:       wheelFile,
	})
}

func orLock(context, name string) string {
	if context == "" {
		return fromLock + name
	}
	return context
}

// python is the context of the CPython that a test runs on.
func (o *buildOptions) python(test matrix.Selection) string {
	version := test.Test.Python.String()
	return orLock(image(strings.ReplaceAll(o.pythonImage, "%s", version)), platformPrefix(test)+"python-"+version)
}

// emulator is the context of the Debian root that runs the programs of a test's platform.
func (o *buildOptions) emulator(test matrix.Selection) string {
	return orLock(image(o.base), platformPrefix(test)+"emulator")
}

// platformPrefix begins the lock's names for what an emulated platform needs.
func platformPrefix(test matrix.Selection) string {
	if test.Cell.Platform.Emulator == "" {
		return ""
	}
	return test.Cell.Platform.Name + "/"
}

// image is a build context for what the user gave: an image reference, unless it names its kind itself.
func image(reference string) string {
	if reference == "" || strings.Contains(reference, "://") {
		return reference
	}
	return "docker-image://" + reference
}

// selectBuilds is Select without tests, which a pattern may match as well.
func selectBuilds(m *matrix.Matrix, names []string) ([]matrix.Selection, error) {
	selection, err := m.Select(names)
	if err != nil {
		return nil, err
	}
	builds := slices.DeleteFunc(slices.Clone(selection), func(s matrix.Selection) bool { return s.Test != nil })
	if len(builds) == 0 {
		return nil, diag.Usagef("sagebuild test "+strings.Join(names, " "), "%s names tests, and bake makes wheels", strings.Join(names, " "))
	}
	return builds, nil
}

// sayExclusions tells, once for each CUDA, which SMs its wheels leave out and why.
func sayExclusions(console *ui.Console, plan *bake.Plan) {
	said := map[string]bool{}
	for _, target := range plan.Targets {
		if said[target.CUDA] {
			continue
		}
		said[target.CUDA] = true
		for _, excluded := range target.Excluded {
			console.Note("CUDA %s leaves out SM %s: %s (%s)", target.CUDA, excluded.SM, excluded.Reason, excluded.Source)
		}
	}
}

// targetNames is for hints that repeat a command.
func targetNames(targets []bake.Target) string {
	names := make([]string, len(targets))
	for i, target := range targets {
		names[i] = target.Cell
	}
	return strings.Join(names, " ")
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

func describe(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}
