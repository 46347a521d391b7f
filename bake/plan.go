package bake

import (
	"fmt"
	"path"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Plan is everything that a command will do, before it does any of it.
type Plan struct {
	Command string   `json:"command"` // bake or test
	Matrix  string   `json:"matrix"`  // the definition file
	Targets []Target `json:"targets"`
}

// Target is one target of a plan.
type Target struct {
	Name      string            `json:"name"`
	Cell      string            `json:"cell"` // name of the build target; differs from Name for a test
	Platform  string            `json:"platform"`
	Torch     string            `json:"torch"` // that the wheel asks for, or that a test runs on
	CUDA      string            `json:"cuda"`
	Python    string            `json:"python"` // the same
	Stage     string            `json:"stage"`
	Args      map[string]string `json:"args"`
	Contexts  map[string]string `json:"contexts"`
	SMs       []matrix.SM       `json:"sms"`
	Excluded  []Exclusion       `json:"excluded"`
	Output    string            `json:"output"` // directory that receives the wheel or the test results
	Wheel     string            `json:"wheel"`  // file name of the wheel that is built or tested
	Steps     []string          `json:"steps"`  // stages in the order they run
	Selection matrix.Selection  `json:"-"`
}

// Exclusion is an SM that a wheel leaves out, with the reason and where it is written.
type Exclusion struct {
	SM     matrix.SM `json:"sm"`
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	Source string    `json:"source"`
}

// PlanOptions are choices of the command line. The zero value is what docker-bake.hcl says.
type PlanOptions struct {
	Output          string                        // directory of wheels; "" is dist
	SourceDateEpoch string                        // "" is SourceDateEpoch
	Base            string                        // context of the base; "" is the image of docker-bake.hcl
	Python          func(matrix.Selection) string // context of the CPython of a test; nil, or "", is an image
	Emulator        func(matrix.Selection) string // the same of the Debian root with its platform's emulator
	WheelFile       string                        // tests: a wheel that exists already, instead of building one
}

// NewPlan lists what building and testing the selection does, in its order.
func NewPlan(m *matrix.Matrix, k *kernels.Set, selection []matrix.Selection, options PlanOptions) (*Plan, error) {
	if err := k.Check(m); err != nil {
		return nil, err
	}
	plan := &Plan{Command: "bake", Matrix: m.File(), Targets: []Target{}}
	for _, selected := range selection {
		if selected.Test != nil {
			plan.Command = "test"
		}
		plan.Targets = append(plan.Targets, newTarget(m, k, selected, options))
	}
	return plan, nil
}

func newTarget(m *matrix.Matrix, k *kernels.Set, selected matrix.Selection, options PlanOptions) Target {
	cell := selected.Cell
	target := Target{
		Name: selected.Target(), Cell: cell.Target(), Platform: cell.Platform.Name,
		Torch: cell.Torch.String(), CUDA: cell.CUDA.String(), Python: cell.Python.String(),
		Stage: StageWheel, Args: planArguments(m, k, selected, options), Contexts: contexts(selected, options),
		SMs: cell.SMs, Excluded: exclusions(cell), Output: orElse(options.Output, outputDir),
		Wheel: cell.WheelName(), Steps: buildSteps(cell), Selection: selected,
	}
	if on := selected.Test; on != nil {
		target.Torch, target.Python = on.Torch.String(), on.Python.String()
		target.Stage = StageTest
		target.Output = resultsDir(target.Output, selected)
		target.Steps = testSteps(target.Steps, selected, options.WheelFile != "")
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
	values := map[string]string{"SOURCE_DATE_EPOCH": orElse(options.SourceDateEpoch, SourceDateEpoch)}
	for _, a := range arguments {
		values[a.name] = a.value
	}
	return values
}

func contexts(selected matrix.Selection, options PlanOptions) map[string]string {
	all := map[string]string{"base": orElse(options.Base, "docker-image://"+baseImage)}
	if on := selected.Test; on != nil {
		all["python"] = chosen(options.Python, selected, fmt.Sprintf(pythonImage, on.Python))
		if selected.Cell.Platform.Emulator != "" {
			all["emulator"] = chosen(options.Emulator, selected, baseImage)
		}
		if options.WheelFile != "" {
			all["wheel"] = path.Dir(options.WheelFile)
		}
	}
	return all
}

// chosen is the context that a choice of the command line gives a test, else an ordinary image.
func chosen(choose func(matrix.Selection) string, test matrix.Selection, image string) string {
	context := ""
	if choose != nil {
		context = choose(test)
	}
	return orElse(context, "docker-image://"+image)
}

func exclusions(cell matrix.Cell) []Exclusion {
	all := make([]Exclusion, len(cell.Excluded))
	for i, e := range cell.Excluded {
		all[i] = Exclusion{SM: e.SM, Rule: e.Rule.Name, Reason: e.Rule.Text, Source: e.Rule.Source}
	}
	return all
}

func buildSteps(cell matrix.Cell) []string {
	steps := []string{"system", "uv", "toolchain"}
	for _, sm := range cell.SMs {
		steps = append(steps, "kernels-sm"+sm.Digits())
	}
	return append(steps, "kernels", "host-toolchain", "host", "builder", StageWheel)
}

func testSteps(build []string, test matrix.Selection, haveWheel bool) []string {
	if haveWheel {
		build = []string{"system", "uv"}
	}
	if test.Cell.Platform.Emulator == "" { // an emulator's torch is without CUDA
		build = append(build, "libraries")
	}
	return append(build, "runtime", "test-run", StageTest)
}
