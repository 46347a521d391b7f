package bake

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

// LockFiles names the lock files that the stages of a target copy, below the source directory.
func (t Target) LockFiles() []string {
	cell, test := t.Selection.Cell, t.Selection.Test
	var files []string
	for _, step := range t.Steps {
		switch step {
		case "uv":
			files = append(files, "lock/uv.txt")
		case "toolchain", "ptxas":
			files = append(files, compilerLock(step, cell.CUDA))
		case "nvdisasm", "host-toolchain", "pytest-xdist":
			files = append(files, "lock/"+step+".txt")
		case "libraries":
			files = append(files, librariesLock(test.Torch))
		case "runtime":
			files = append(files, TorchLock(test.Torch, test.Python, cell.Platform))
		}
	}
	return files
}

// compilerLock names the lock file of a CUDA's compiler, toolchain, or of its assembler, ptxas.
func compilerLock(program string, cuda matrix.Version) string {
	return "lock/" + program + "-cu" + cuda.Minor().Digits() + ".txt"
}

// librariesLock names the lock file of the CUDA libraries that a torch takes, for all Pythons.
func librariesLock(torch matrix.Version) string {
	return "lock/torch" + torch.Minor().Digits() + "-libraries.txt"
}

// TorchLock names, below the source directory, the lock file of a torch on a Python. The file pins the torch, the
// packages that the torch needs, and the packages of the tests. A platform with an emulator has a file of its own;
// the platforms without one share a file.
func TorchLock(torch, python matrix.Version, platform matrix.Platform) string {
	name := "lock/torch" + torch.Minor().Digits() + "-python" + python.Minor().Digits()
	if platform.Emulator != "" {
		name += "-" + platform.Name
	}
	return name + ".txt"
}

// CheckLocks reports, in one error of class Usage, the lock files that the plan needs and sourceDir lacks: a
// torch or a CUDA that was added to the matrix has to be locked before it is built.
func CheckLocks(sourceDir string, plan *Plan) error {
	var missing []string
	seen := map[string]bool{}
	for _, target := range plan.Targets {
		for _, name := range target.LockFiles() {
			if seen[name] {
				continue
			}
			seen[name] = true
			if _, err := os.Stat(filepath.Join(sourceDir, name)); errors.Is(err, fs.ErrNotExist) {
				missing = append(missing, name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return diag.Usagef(lockCommand(plan.Matrix), "not locked yet: %s", strings.Join(missing, ", "))
}

// lockCommand is the command that writes the lock files that a definition needs and lock/ does not have.
func lockCommand(definition string) string {
	if definition == matrix.DefaultFile {
		return "make lock-missing"
	}
	return diag.Command("sagebuild", "matrix", "--json", "--matrix", definition) + " | scripts/lock.py --missing"
}
