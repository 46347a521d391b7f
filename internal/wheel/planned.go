package wheel

import (
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Expect is what the wheel of a cell must hold. The matrix says the names and requirements, csrc/kernels.toml the
// kernels.
func Expect(cell matrix.Cell, set *kernels.Set) Expectation {
	pkg := cell.Package
	var ptx []kernels.Arch
	for _, sm := range cell.PTX {
		ptx = append(ptx, kernels.Arch{SM: sm}) // without a suffix: PTX of 9.0a would run on nothing else
	}
	return Expectation{
		Filename: cell.WheelName(), Distribution: pkg.Distribution, Version: pkg.Version.String(),
		BuildTag: cell.BuildTag(), Tags: []string{cell.Tag()},
		RequiresDist: []string{cell.TorchRequirement()}, RequiresPython: cell.PythonRequirement(),
		Members: []string{
			pkg.Module + "/__init__.py", pkg.NativeDir() + "/" + cell.Platform.Library, pkg.NativeDir() + "/" + pkg.Fatbin,
			pkg.DistInfo() + "/sboms/sagebuild.cdx.json", pkg.DistInfo() + "/" + CompiledFile,
		},
		Kernels:    set.Of(pkg.Name).Targets(cell.SMs),
		PTX:        ptx,
		GlibcFloor: cell.Platform.Glibc.String(), // empty where there is no glibc
		Exports:    set.Exports,
	}
}
