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
	cell := t.Selection.Cell
	var files []string
	for _, step := range t.Steps {
		switch step {
		case "uv":
			files = append(files, "lock/uv.txt")
		case "toolchain":
			files = append(files, "lock/toolchain-cu"+cell.CUDA.Minor().Digits()+".txt")
		case "nvdisasm":
			files = append(files, "lock/nvdisasm.txt")
		case "host-toolchain":
			files = append(files, "lock/host-toolchain.txt")
		case "libraries":
			files = append(files, torchLock(t.Selection)+"-libraries.txt")
		case "runtime":
			files = append(files, torchLock(t.Selection)+"-python"+t.Selection.Test.Python.Digits()+platformSuffix(cell.Platform)+".txt")
		}
	}
	return files
}

// torchLock begins the names of the lock files of a test's torch.
func torchLock(test matrix.Selection) string {
	return "lock/torch" + test.Test.Torch.Minor().Digits()
}

// platformSuffix tells the packages of an emulated platform from those of the machine that builds.
func platformSuffix(platform matrix.Platform) string {
	if platform.Emulator == "" {
		return ""
	}
	return "-" + platform.Name
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

// lockCommand writes the lock files that a definition needs and lock/ does not have.
func lockCommand(definition string) string {
	if definition == matrix.DefaultFile {
		return "make lock-missing"
	}
	return "sagebuild matrix --json --matrix " + definition + " | scripts/lock.py --missing"
}
