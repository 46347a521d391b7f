// Package bake turns the matrix and csrc/kernels.toml into what BuildKit runs: docker-bake.hcl, the Dockerfile with a
// stage for each SM, and the plan that every command can print before it acts.
package bake

import (
	"errors"
	"strconv"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Plan lists everything that a command will do, before the command does any of it.
type Plan struct {
	Command string   `json:"command"`           // bake, test, verify or compile
	Matrix  string   `json:"matrix"`            // the definition file
	Imports []Target `json:"imports,omitempty"` // parts that were compiled before
	Targets []Target `json:"targets"`
}

// Target is one target of a plan.
type Target struct {
	Name      string             `json:"name"`
	Cell      string             `json:"cell"` // name of the build target; differs from Name for a test
	Platform  string             `json:"platform"`
	Torch     string             `json:"torch"` // torch that the wheel asks for, or that a test runs on
	CUDA      string             `json:"cuda"`
	Python    string             `json:"python"` // Python that the wheel asks for, or that a test runs on
	Parts     []string           `json:"parts"`  // native code that other targets need as well, by the names of parts
	Stage     string             `json:"stage"`
	Args      map[string]string  `json:"args"`
	Contexts  map[string]Context `json:"contexts"`
	SMs       []matrix.SM        `json:"sms"`
	Excluded  []Exclusion        `json:"excluded"`
	Shared    []Shared           `json:"shared"`
	Output    string             `json:"output"` // directory that receives the wheel or the test results; "" for a part
	Wheel     string             `json:"wheel"`  // file name of the wheel that is built or tested; "" for a part
	Steps     []string           `json:"steps"`  // stages in the order they run
	Selection matrix.Selection   `json:"-"`
}

// Exclusion is an SM that a wheel leaves out, with the reason and the document that states the reason.
type Exclusion struct {
	SM     matrix.SM `json:"sm"`
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	Source string    `json:"source"`
}

// Shared is an SM whose GPUs load the code of another, because the two are the same, but for code that is for one SM
// alone. Source is the document that shows it.
type Shared struct {
	SM     matrix.SM `json:"sm"`
	Of     matrix.SM `json:"of"`
	Source string    `json:"source"`
}

// PlanOptions are choices of the command line. The zero value is what docker-bake.hcl says.
type PlanOptions struct {
	Command         string // command that the plan is for
	TestStage       string // stage of tests; "" is StageTest
	Output          string // directory of wheels; "" is dist
	SourceDateEpoch string // "" is SourceDateEpoch
	BaseImage       string // image, or context, of Debian roots; "" is what Locked says
	PythonImage     string // image, or context, of a test's CPython, with {python} for its version
	Locked          bool   // trees of lock/system.hcl instead of the images of docker-bake.hcl
	WheelFile       string // tests: a wheel that exists already, instead of building one
	PartsDir        string // directory with the parts that the wheels need; "" compiles them
}

// NewPlan lists what building and testing the selection does, in its order. A time that no wheel can have is an
// error of class Usage.
func NewPlan(m *matrix.Matrix, k *kernels.Set, selection []matrix.Selection, options PlanOptions) (*Plan, error) {
	if err := errors.Join(k.Check(m), checkEpoch(options.SourceDateEpoch)); err != nil {
		return nil, err
	}
	plan := &Plan{Command: options.Command, Matrix: m.File(), Targets: []Target{}}
	shares := sharesOf(m, k)
	for _, selected := range selection {
		plan.Targets = append(plan.Targets, newTarget(m, k, shares, selected, options))
	}
	if options.PartsDir != "" && options.WheelFile == "" {
		plan.importParts(Parts(m, k, cellsOf(selection)), options)
	}
	return plan, nil
}

// lastEpoch is the last second that zip can express, of 2107-12-31.
const lastEpoch = 4354819199

// checkEpoch accepts whole seconds since 1970. A time before zip's first day becomes that day.
func checkEpoch(text string) error {
	if text == "" {
		return nil
	}
	if seconds, err := strconv.ParseUint(text, 10, 63); err != nil || seconds > lastEpoch {
		return diag.Usagef("unset SOURCE_DATE_EPOCH", "SOURCE_DATE_EPOCH is %q, want whole seconds from 0 to %d", text, lastEpoch)
	}
	return nil
}

func newTarget(m *matrix.Matrix, k *kernels.Set, shares []share, selected matrix.Selection, options PlanOptions) Target {
	cell := selected.Cell
	target := Target{
		Name: selected.Target(), Cell: cell.Target(), Platform: cell.Platform.Name,
		Torch: cell.Torch.String(), CUDA: cell.CUDA.String(), Python: cell.Python.String(),
		Parts: namesOf(partsOf(m, shares, cell)), Stage: StageWheel, Args: planArguments(m, k, selected, options), Contexts: options.contexts(selected),
		SMs: cell.SMs, Excluded: exclusions(cell), Shared: sharedOf(k, cell), Output: orElse(options.Output, outputDir),
		Wheel: cell.WheelName(), Steps: buildSteps(shares, cell), Selection: selected,
	}
	if on := selected.Test; on != nil {
		target.Torch, target.Python = on.Torch.String(), on.Python.String()
		target.Stage = orElse(options.TestStage, StageTest)
		target.Output = resultsDir(target.Output, selected)
		if options.WheelFile != "" {
			target.Parts = []string{}
		}
		target.Steps = append(testSteps(target.Steps, selected, options.WheelFile != ""), target.Stage)
	}
	return target
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func planArguments(m *matrix.Matrix, k *kernels.Set, selected matrix.Selection, options PlanOptions) map[string]string {
	arguments := append(toolkitArguments(m, selected.Cell), cellArguments(selected.Cell)...)
	if selected.Test != nil {
		arguments = append(arguments, testArguments(selected, k)...)
	}
	values := map[string]string{copyEpoch: SourceDateEpoch, WheelEpoch: orElse(options.SourceDateEpoch, SourceDateEpoch)}
	for _, a := range arguments {
		values[a.name] = a.value
	}
	return values
}

func exclusions(cell matrix.Cell) []Exclusion {
	all := make([]Exclusion, len(cell.Excluded))
	for i, e := range cell.Excluded {
		all[i] = Exclusion{SM: e.SM, Rule: e.Rule.Name, Reason: e.Rule.Text, Source: e.Rule.Source}
	}
	return all
}

func sharedOf(k *kernels.Set, cell matrix.Cell) []Shared {
	all := []Shared{} // [] in JSON, never null
	for _, row := range k.SamesIn(cell.SMs) {
		all = append(all, Shared{SM: row.SM, Of: row.Of, Source: kernels.SameProof})
	}
	return all
}

// stageHost is the stage with the host library.
const stageHost = "host"

func buildSteps(shares []share, cell matrix.Cell) []string {
	held := heldBy(shares, cell.Package, cell.SMs)
	steps := append(compilerSteps(held), kernelStages(held)...)
	return append(steps, "kernels", "host-toolchain", stageHost, "builder", StageWheel)
}

func testSteps(build []string, test matrix.Selection, haveWheel bool) []string {
	if haveWheel {
		build = []string{"system", "uv"}
	}
	if test.Cell.Platform.Emulator == "" { // an emulator's torch is without CUDA
		build = append(build, "libraries")
	}
	return append(build, "pytest-xdist", "runtime", "test-run")
}
