package bake

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/matrix"
)

func TestEveryCommittedCellIsLocked(t *testing.T) {
	if err := CheckLocks(sourceDir, planned(t, "* test-*", PlanOptions{})); err != nil {
		t.Error(err)
	}
}

// TestNamesOfLockFiles holds the names to a table that the tests of scripts/lock.py and of the build backend read,
// too.
func TestNamesOfLockFiles(t *testing.T) {
	content, err := os.ReadFile("testdata/locks.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(fields) == 0 {
			continue
		}
		cases++
		if got := lockName(t, fields[1:]); got != "lock/"+fields[0] {
			t.Errorf("%v: %s, want %s", fields[1:], got, fields[0])
		}
	}
	if cases < 8 {
		t.Errorf("the table has only %d cases", cases)
	}
}

// lockName is the lock file's name for a case of the table. The columns of a case are what the file pins, the
// version, and everything else that decides the name.
func lockName(t *testing.T, fields []string) string {
	t.Helper()
	version := matrix.MustVersion(fields[1])
	switch fields[0] {
	case "toolchain", "ptxas":
		return compilerLock(fields[0], version)
	case "libraries":
		return librariesLock(version)
	}
	platform := matrix.Platform{Name: fields[3]}
	if fields[4] == "emulated" {
		platform.Emulator = "an emulator"
	}
	return TorchLock(version, matrix.MustVersion(fields[2]), platform)
}

// A torch that has left the matrix leaves no lock file behind.
func TestEveryTorchLockIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, target := range planned(t, "* test-*", PlanOptions{}).Targets {
		for _, name := range target.LockFiles() {
			used[name] = true
		}
	}
	for _, pattern := range []string{"torch*.txt", "toolchain-*.txt", "ptxas-*.txt"} {
		files, err := filepath.Glob(filepath.Join(sourceDir, "lock", pattern))
		if err != nil || len(files) == 0 {
			t.Errorf("no %s: %v", pattern, err)
		}
		for _, file := range files {
			if name := "lock/" + filepath.Base(file); !used[name] {
				t.Errorf("no target needs %s", name)
			}
		}
	}
}

func TestMissingLocksAreNamed(t *testing.T) {
	m := matrixtest.WithTorch299(t, sourceDir)
	_, k := matrixtest.Definition(t, sourceDir)
	selection, err := m.Select([]string{"test-linux-sage2-pytorch299-cu130-python313"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(m, k, selection, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	present := fstest.MapFS{"lock/uv.txt": {}, "lock/nvdisasm.txt": {}, "lock/host-toolchain.txt": {}, "lock/pytest-xdist.txt": {}, "lock/torch299-libraries.txt": {}}
	if err := os.CopyFS(dir, present); err != nil {
		t.Fatal(err)
	}
	err = CheckLocks(dir, plan)
	var e *diag.Error
	if !errors.As(err, &e) || !strings.Contains(e.Hint, "--matrix "+matrixtest.AddedTorch+" | scripts/lock.py --missing") {
		t.Fatalf("got %v, want an error with the command that locks", err)
	}
	if want := "not locked yet: lock/toolchain-cu130.txt, lock/ptxas-cu130.txt, lock/torch299-python313.txt"; e.Message != want {
		t.Errorf("message %q, want %q", e.Message, want)
	}
}

// A new torch is data alone: it changes no byte of the Dockerfile.
func TestAddingATorchKeepsTheDockerfile(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	extended := matrixtest.WithTorch299(t, sourceDir)
	before, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	after, err := RenderDockerfile(extended, k)
	if err != nil || string(before) != string(after) {
		t.Errorf("the Dockerfile changes with a torch (%v)", err)
	}
	content, err := RenderBake(extended, k)
	if err != nil || !strings.Contains(string(content), `target "_linux-sage2-pytorch299-cu130"`) {
		t.Errorf("docker-bake.hcl lacks the new target (%v)", err)
	}
}

// LockFiles names exactly the files of lock/ that the stages of a target copy.
func TestLockFilesAreThoseOfTheDockerfile(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(string(content), "\nFROM ")
	for _, target := range planned(t, "test-all test-linux-arm64-all test-windows-all", PlanOptions{}).Targets {
		copied := map[string]bool{}
		for _, stage := range stages {
			head, _, _ := strings.Cut(stage, "\n")
			_, name, _ := strings.Cut(head, " AS ")
			emulator := target.Args["EMULATOR"]
			if strings.HasPrefix(name, "runtime-") && name != "runtime-"+emulator || name == "libraries" && emulator != "native" {
				continue // a stage of another platform
			}
			for _, file := range lockPattern.FindAllString(stage, -1) {
				copied[os.Expand(file, func(name string) string { return target.Args[name] })] = true
			}
		}
		if want := slices.Sorted(maps.Keys(copied)); !slices.Equal(slices.Sorted(slices.Values(target.LockFiles())), want) {
			t.Errorf("%s: LockFiles %v, the Dockerfile copies %v", target.Name, target.LockFiles(), want)
		}
	}
}

// lockPattern finds pinned requirements among the sources of COPY.
var lockPattern = regexp.MustCompile(`\block/[\w${}-]+\.txt`)
