package bake

import (
	"fmt"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Expressions of Bake in a target with a matrix over python.
const (
	pythonDigits = `${replace(python, ".", "")}`
	baseContext  = "docker-image://${BASE_IMAGE}"
)

// common writes the hidden target that every target inherits.
func (w bakeWriter) common() {
	var secrets []string
	for _, id := range EnvironmentSecrets {
		secrets = append(secrets, fmt.Sprintf("id=%s,env=%s", id, id))
	}
	w.block("target", "_common",
		attribute{"context", text(".")},
		attribute{"dockerfile", text(Dockerfile)},
		attribute{"target", text(StageWheel)},
		attribute{"platforms", list(BuildPlatform)},
		attribute{"contexts", object([]field{{"base", interpolated(baseContext)}})},
		attribute{"args", object([]field{
			{copyEpoch, text(SourceDateEpoch)},
			{WheelEpoch, hclwrite.TokensForIdentifier("SOURCE_DATE_EPOCH")},
		})},
		attribute{"secret", lines(secrets)},
		attribute{"output", list("type=local,dest=" + outputDir)},
	)
}

// Hidden targets hold the arguments that one axis of the matrix decides, for wheels and for their tests.
func packageTarget(cell matrix.Cell) string  { return "_" + cell.Package.Name }
func platformTarget(cell matrix.Cell) string { return "_" + cell.Platform.Name }
func toolkitTarget(cell matrix.Cell) string  { return "_cu" + cell.CUDA.Minor().Digits() }
func releaseTarget(cell matrix.Cell) string {
	return "_torch" + cell.Torch.Digits() + "-cu" + cell.CUDA.Digits()
}
func pythonTarget(python string) string { return "_python" + python }

func contentTarget(cell matrix.Cell) string {
	return "_test" + packageTarget(cell) + "-cu" + cell.CUDA.Minor().Digits()
}
func emulatorTarget(cell matrix.Cell) string  { return "_test-" + cell.Platform.Name }
func torchTarget(torch matrix.Version) string { return "_test-torch" + torch.Digits() }
func interpreterTarget(python string) string  { return "_test-python" + python }

// shared writes the hidden targets that the cells of a row inherit, each once.
func (w bakeWriter) shared(m *matrix.Matrix, row matrix.Row, k *kernels.Set) {
	cell := row.First()
	w.hidden(packageTarget(cell), packageArguments(cell))
	w.hidden(toolkitTarget(cell), toolkitArguments(m, cell))
	w.hidden(contentTarget(cell), contentArguments(cell, k))
	emulation := []attribute{{"target", text(StageTest)}}
	if cell.Platform.Emulator != "" {
		emulation = append(emulation, attribute{"contexts", object([]field{{"emulator", interpolated(baseContext)}})})
	}
	w.hidden(emulatorTarget(cell), emulatorArguments(cell), emulation...)
	if cell.Universal {
		return
	}
	w.hidden(platformTarget(cell), platformArguments(cell))
	w.hidden(releaseTarget(cell), rowArguments(cell), attribute{"inherits", list(toolkitTarget(cell))})
	for _, cell := range row.Cells {
		w.hidden(pythonTarget(cell.Python.Digits()), pythonArguments(cell))
	}
	for _, cell := range row.Tested().Cells {
		w.runtime(cell.Runtimes[0])
	}
}

// runtime writes the hidden target that all tests on a torch inherit, and the one that all tests on a Python inherit.
func (w bakeWriter) runtime(on matrix.Runtime) {
	w.hidden(torchTarget(on.Torch), torchArguments(on))
	image := fmt.Sprintf(`docker-image://${format(PYTHON_IMAGE, "%s")}`, on.Python)
	w.hidden(interpreterTarget(on.Python.Digits()), interpreterArguments(on),
		attribute{"contexts", object([]field{{"python", interpolated(image)}})})
}

func (w bakeWriter) hidden(name string, arguments []argument, attributes ...attribute) {
	if !w.done[name] {
		w.done[name] = true
		w.block("target", name, append(attributes, attribute{"args", object(fields(arguments))})...)
	}
}

// row writes the targets of a row, and the targets of the row's tests.
func (w bakeWriter) row(row matrix.Row) {
	cell := row.First()
	w.block("target", rowTarget(row),
		attribute{"name", interpolated(row.Name() + "-python" + pythonDigits)},
		attribute{"matrix", pythonAxis(row)},
		attribute{"inherits", interpolations("_common", packageTarget(cell), platformTarget(cell), releaseTarget(cell), pythonTarget(pythonDigits))},
		attribute{"args", expression("{ INTERPRETER = " + interpreters(row) + " }")},
	)
	if tested := row.Tested(); len(tested.Cells) > 0 {
		w.tests(tested)
	}
}

// interpreters is the expression by which Bake gives each Python of the row the value of interpreter.
func interpreters(row matrix.Row) string {
	tested := row.Tested()
	version := `"` + interpreterPrefix(row.First()) + `${python}"`
	switch len(tested.Cells) {
	case 0:
		return `""`
	case len(row.Cells):
		return version
	}
	return "contains(" + quotedPythons(tested) + ", python) ? " + version + ` : ""`
}

func quotedPythons(row matrix.Row) string {
	quoted := make([]string, len(row.Cells))
	for i, python := range row.Pythons() {
		quoted[i] = `"` + python.String() + `"`
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func pythonAxis(row matrix.Row) hclwrite.Tokens {
	return expression("{ python = " + quotedPythons(row) + " }")
}

// tests writes the targets that test the wheels of a row.
func (w bakeWriter) tests(row matrix.Row) {
	cell, target := row.First(), row.Name()+"-python"+pythonDigits
	w.block("target", testRowTarget(row),
		attribute{"name", interpolated("test-" + target)},
		attribute{"matrix", pythonAxis(row)},
		attribute{"inherits", interpolations(target, emulatorTarget(cell), contentTarget(cell), torchTarget(cell.Torch), interpreterTarget(pythonDigits))},
		attribute{"output", interpolations("type=local,dest=" + path.Join(outputDir, "test-results", target))},
	)
}

// universal writes the target of a universal wheel, and one for each of its runtimes.
func (w bakeWriter) universal(cell matrix.Cell) {
	w.block("target", cell.Target(),
		attribute{"description", text(cell.WheelName())},
		attribute{"inherits", list("_common", packageTarget(cell), toolkitTarget(cell))},
		attribute{"args", object(fields(cellArguments(cell)))},
	)
	for i := range cell.Runtimes {
		test := matrix.Selection{Cell: cell, Test: &cell.Runtimes[i]}
		w.runtime(*test.Test)
		w.block("target", test.Target(),
			attribute{"inherits", list(cell.Target(), emulatorTarget(cell), contentTarget(cell), torchTarget(test.Test.Torch), interpreterTarget(test.Test.Python.Digits()))},
			attribute{"output", list("type=local,dest=" + resultsDir(outputDir, test))},
		)
	}
}
