package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/report"
)

// Tests on a real BuildKit share one state directory, so that what one builds the next finds.
const (
	stateVariable = "SAGEBUILD_TEST_STATE"
	cellTarget    = "linux-sage2-pytorch28-cu129-python312"
	wheelName     = "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl"
)

// realBuilds skips where a real build cannot run, and says what it needs.
func realBuilds(t *testing.T) (state string) {
	t.Helper()
	state = os.Getenv(stateVariable)
	switch {
	case testing.Short():
		t.Skip("builds for real, which is not short")
	case os.Geteuid() != 0:
		t.Skip("the embedded BuildKit needs root")
	case state == "":
		t.Skipf("set %s to a directory with 20 GB free, as make test does", stateVariable)
	}
	for _, program := range []string{"runc", "mmdebstrap"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: scripts/install-tools.sh", program)
		}
	}
	return state
}

// tree is a source tree of a test's own, with its own dist directory, on the shared state.
type tree struct {
	t                   *testing.T
	source, dist, state string
}

func newTree(t *testing.T) *tree {
	state := realBuilds(t)
	work := t.TempDir()
	to := &tree{t: t, source: filepath.Join(work, "source"), dist: filepath.Join(work, "dist"), state: state}
	for _, part := range []string{"csrc", "python", "lock", "LICENSE", "README.md"} {
		to.copy(part)
	}
	return to
}

// copy takes a file or directory of the real source tree, without what tests and builds leave there.
func (tr *tree) copy(part string) {
	err := filepath.WalkDir(filepath.Join("..", part), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && entry.Name() == "__pycache__" {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		to := filepath.Join(tr.source, strings.TrimPrefix(path, ".."))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			return link(path, to)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
	if err != nil && !errors.Is(err, fs.SkipDir) {
		tr.t.Fatal(err)
	}
}

// link makes the link at from again, in the place of one that is there.
func link(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, to)
}

func (tr *tree) append(name, text string) {
	tr.t.Helper()
	file, err := os.OpenFile(filepath.Join(tr.source, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		tr.t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		tr.t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tr.t.Fatal(err)
	}
}

// command is sagebuild on this tree, with the small matrix and progress as JSON unless args say otherwise.
func (tr *tree) command(args ...string) *exec.Cmd {
	all := append([]string{args[0], "--source", tr.source, "--state", tr.state,
		"--matrix", filepath.Join("testdata", "small.hcl"), "--progress", "json", "--json"}, args[1:]...)
	if args[0] != "compile" {
		all = append(all, "--dist", tr.dist)
	}
	return exec.Command("sagebuild", all...)
}

// run wants an exit code, and returns the summary that the command printed and what it said.
func (tr *tree) run(want int, args ...string) (report.Summary, string) {
	tr.t.Helper()
	var out, said bytes.Buffer
	cmd := tr.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != want {
		tr.t.Fatalf("sagebuild %s: exit code %d (%v), want %d\n%s\n%s", strings.Join(args, " "), got, err, want, out.String(), lastLines(said.String()))
	}
	var summary report.Summary
	if err := json.Unmarshal(out.Bytes(), &summary); err != nil {
		tr.t.Fatalf("sagebuild %s printed no summary: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	return summary, said.String()
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

func (tr *tree) readWheel() []byte {
	tr.t.Helper()
	text, err := os.ReadFile(filepath.Join(tr.dist, wheelName))
	if err != nil {
		tr.t.Fatal(err)
	}
	return text
}

// expectClean wants nothing of a run to be left: no staging, no container, no mount below the state directory.
func (tr *tree) expectClean() {
	tr.t.Helper()
	for _, pattern := range []string{filepath.Join(tr.dist, ".*"), filepath.Join(tr.state, "buildkit", "runc-*", "executor", "*", "config.json")} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			tr.t.Errorf("left behind: %v, %v", left, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		tr.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(mounts), "\n") {
		if strings.Contains(line, " "+tr.state+"/") {
			tr.t.Errorf("left mounted: %s", line)
		}
	}
}
