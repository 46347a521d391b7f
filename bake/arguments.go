package bake

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// SourceDateEpoch is the time of every file that a stage copies, and the default time of everything in a wheel:
// 1980-01-01, the first that zip can express.
const SourceDateEpoch = "315532800"

// The build arguments with times. BuildKit knows the first by name and puts it into the cache key of every stage, so
// only the second follows what the user chooses; one stage reads it.
const (
	copyEpoch  = "SOURCE_DATE_EPOCH"
	WheelEpoch = "WHEEL_EPOCH"
)

// EnvironmentSecrets are settings of pip and uv that a build takes from the environment, as optional secrets
// of the same name, so that an index with a password never reaches a layer.
var EnvironmentSecrets = []string{"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"}

// argument is a build argument of the Dockerfile.
type argument struct{ name, value string }

// toolkitArguments are those that depend on the minor release of CUDA alone: every SM of the matrix is built
// or skipped, and PTX of the newest rides along.
func toolkitArguments(m *matrix.Matrix, cell matrix.Cell) []argument {
	arguments := []argument{
		{"CUDA_DIGITS", cell.CUDA.Minor().Digits()},
		{"PTX_SM", cell.NewestSM().String()},
	}
	for _, sm := range m.SMs() {
		value := "skip"
		if slices.Contains(cell.SMs, sm) {
			value = "build"
		}
		arguments = append(arguments, argument{"SM" + sm.Digits(), value})
	}
	return arguments
}

// cellArguments are those of one wheel.
func cellArguments(cell matrix.Cell) []argument {
	return []argument{
		{"MODULE", cell.Package.Module},
		{"FATBIN", cell.Package.Fatbin},
		{"VERSION", cell.Package.Version.String()},
		{"CUDA", cell.CUDA.String()},
		{"REQUIRES_TORCH", cell.TorchRequirement()},
		{"REQUIRES_PYTHON", cell.PythonRequirement()},
		{"BUILD_TAG", cell.BuildTag()},
		{"PYTHON_TAG", cell.PythonTag()},
		{"ABI_TAG", cell.ABITag()},
		{"PLATFORM_TAG", cell.PlatformTag()},
		{"HOST_TARGET", cell.Platform.HostTarget()},
		{"LIBRARY", cell.Platform.Library},
		{"INTERPRETER", interpreter(cell)},
	}
}

// interpreter is the CPython that a wheel is for, as its bill of materials names it: 3.12, windows/3.12. A universal
// wheel is for none.
func interpreter(cell matrix.Cell) string {
	switch {
	case cell.Universal:
		return ""
	case cell.Platform.Emulator != "":
		return cell.Platform.Name + "/" + cell.Python.String()
	}
	return cell.Python.String()
}

// emulator is what runs the tests of a wheel, in the names of stages.
func emulator(cell matrix.Cell) string {
	if cell.Platform.Emulator == "" {
		return "native"
	}
	return cell.Platform.Emulator
}

// testArguments are what the tests of a wheel run on, and what the plan put into it: SMs and kernels, separated by
// spaces. A kernel that some SMs lack is followed by those that have it: attention_fp8_wgmma_hd64@9.0,
// attention_fp16_accum_f16_hd64@7.5,8.6.
func testArguments(selected matrix.Selection, k *kernels.Set) []argument {
	cell := selected.Cell
	sms := make([]string, len(cell.SMs))
	for i, sm := range cell.SMs {
		sms[i] = sm.String()
	}
	return []argument{
		{"TORCH", selected.Test.Torch.String()},
		{"TORCH_DIGITS", selected.Test.Torch.Minor().Digits()},
		{"PYTHON", selected.Test.Python.String()},
		{"PYTHON_DIGITS", selected.Test.Python.Digits()},
		{"EMULATOR", emulator(cell)},
		{"SMS", strings.Join(sms, " ")},
		{"KERNELS", strings.Join(k.Names(cell.SMs), " ")},
	}
}
