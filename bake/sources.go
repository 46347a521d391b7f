package bake

import (
	"path"
	"slices"
)

// systemLock names, below the source directory, what pins the trees of a plan: the base of every stage, interpreters.
const systemLock = "lock/system.hcl"

// Sources names what the stages of a wheel or a part copy, below the source directory: files, and directories with all
// that is in them. It may name more than a stage copies, and never less; systemLock decides the base.
func (t Target) Sources() []string {
	names := append(t.LockFiles(), systemLock, "csrc/device", "csrc/host", "python/build_backend")
	if !t.IsPart() {
		cuda := t.Selection.Cell.CUDA
		names = append(names, compilerLock("toolchain", cuda), compilerLock("ptxas", cuda), "lock/host-toolchain.txt",
			"LICENSE", "python/README.md", "python/pyproject.toml", "python/sageattention", path.Join("python", t.Args["MODULE"]))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
