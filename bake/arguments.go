package bake

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// SourceDateEpoch is the time of every file that a stage copies, and the default time of everything in a wheel:
// 1980-01-01, the first day that zip can express.
const SourceDateEpoch = "315532800"

// The build arguments with times. BuildKit knows copyEpoch by name and puts its value into the cache key of every
// stage. Only WheelEpoch follows what the user chooses, therefore, and only one stage reads WheelEpoch.
const (
	copyEpoch  = "SOURCE_DATE_EPOCH"
	WheelEpoch = "WHEEL_EPOCH"
)

// EnvironmentSecrets are settings of pip and uv that a build takes from the environment, as optional secrets
// of the same name, so that an index with a password never reaches a layer.
var EnvironmentSecrets = []string{"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"}

// argument is a build argument of the Dockerfile.
type argument struct{ name, value string }

// toolkitArguments are the build arguments that depend on the minor release of CUDA alone: whether the kernels of each
// SM of the matrix are built or skipped, and the SM for which PTX is made too.
func toolkitArguments(m *matrix.Matrix, cell matrix.Cell) []argument {
	built := m.SMsBuiltBy(cell.CUDA)
	arguments := []argument{
		{"CUDA_DIGITS", cell.CUDA.Minor().Digits()},
		{"PTX_SM", m.PTXOf(cell.CUDA).String()},
	}
	for _, sm := range m.SMs() {
		value := "skip"
		if slices.Contains(built, sm) {
			value = "build"
		}
		arguments = append(arguments, argument{"SM" + sm.Digits(), value})
	}
	return arguments
}

// cellArguments are the build arguments of one wheel.
func cellArguments(cell matrix.Cell) []argument {
	return slices.Concat(packageArguments(cell), platformArguments(cell), pythonArguments(cell), rowArguments(cell),
		[]argument{{"INTERPRETER", interpreter(cell)}})
}

func packageArguments(cell matrix.Cell) []argument {
	return []argument{
		{"PACKAGE", cell.Package.Name},
		{"MODULE", cell.Package.Module},
		{"FATBIN", cell.Package.Fatbin},
		{"VERSION", cell.Package.Version.String()},
	}
}

func platformArguments(cell matrix.Cell) []argument {
	return []argument{
		{"PLATFORM_TAG", cell.PlatformTag()},
		{"HOST_TARGET", cell.Platform.HostTarget()},
		{"LIBRARY", cell.Platform.Library},
	}
}

func pythonArguments(cell matrix.Cell) []argument {
	return []argument{
		{"REQUIRES_PYTHON", cell.PythonRequirement()},
		{"PYTHON_TAG", cell.PythonTag()},
		{"ABI_TAG", cell.ABITag()},
	}
}

// rowArguments are the build arguments that the wheels of one torch and CUDA share.
func rowArguments(cell matrix.Cell) []argument {
	return []argument{
		{"CUDA", cell.CUDA.String()},
		{"REQUIRES_TORCH", cell.TorchRequirement()},
		{"BUILD_TAG", cell.BuildTag()},
	}
}

// interpreter is the CPython that a wheel is tested on, as the wheel's bill of materials names it: 3.12,
// windows/3.12. A universal wheel, and a wheel without tests, has no such CPython.
func interpreter(cell matrix.Cell) string {
	if cell.Universal || len(cell.Runtimes) == 0 {
		return ""
	}
	return interpreterPrefix(cell) + cell.Python.String()
}

func interpreterPrefix(cell matrix.Cell) string {
	if cell.Platform.Emulator == "" {
		return ""
	}
	return cell.Platform.Name + "/"
}

// emulator names what runs the tests of a wheel, as the names of stages spell it.
func emulator(cell matrix.Cell) string {
	if cell.Platform.Emulator == "" {
		return "native"
	}
	return cell.Platform.Emulator
}

// testArguments are the build arguments that say what the tests of a wheel run on, and what the plan put into the
// wheel.
func testArguments(selected matrix.Selection, k *kernels.Set) []argument {
	on := *selected.Test
	return slices.Concat(torchArguments(on), interpreterArguments(on), contentArguments(selected.Cell, k), emulatorArguments(selected.Cell))
}

func torchArguments(on matrix.Runtime) []argument {
	return []argument{{"TORCH", on.Torch.String()}, {"TORCH_DIGITS", on.Torch.Minor().Digits()}}
}

func interpreterArguments(on matrix.Runtime) []argument {
	return []argument{{"PYTHON", on.Python.String()}, {"PYTHON_DIGITS", on.Python.Digits()}}
}

// contentArguments are the SMs, PTX and kernels of a wheel, separated by spaces. All follow from its package and CUDA. If
// some SMs lack a kernel, the SMs that have it follow the kernel's name: attention_fp8_wgmma_hd64@9.0.
func contentArguments(cell matrix.Cell, k *kernels.Set) []argument {
	ptx := "none"
	if len(cell.PTX) > 0 {
		ptx = smWords(cell.PTX)
	}
	return []argument{{"SMS", smWords(cell.SMs)}, {"PTX", ptx}, {"KERNELS", strings.Join(k.Of(cell.Package.Name).Names(cell.SMs), " ")}}
}

func smWords(sms []matrix.SM) string {
	words := make([]string, len(sms))
	for i, sm := range sms {
		words[i] = sm.String()
	}
	return strings.Join(words, " ")
}

func emulatorArguments(cell matrix.Cell) []argument { return []argument{{"EMULATOR", emulator(cell)}} }
