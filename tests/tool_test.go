package tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestToolWheel packs this system's wheel twice, in two places, and installs it as people do who have neither Go nor
// root nor the sources.
func TestToolWheel(t *testing.T) {
	if out, err := exec.Command("git", "rev-parse", "--verify", "HEAD").CombinedOutput(); err != nil {
		t.Skipf("the version of the program comes from git: %v: %s", err, out)
	}
	t.Parallel()
	system := runtime.GOOS + "/" + runtime.GOARCH
	wheel, again := packTool(t, copyOfTree(t), system), packTool(t, copyOfTree(t), system)
	if first, second := read(t, wheel), read(t, again); !bytes.Equal(first, second) {
		t.Errorf("another place gives another wheel: %d and %d bytes, %s and %s", len(first), len(second), wheel, again)
	}
	for _, install := range []func(*testing.T, string) string{pipInstall, uvInstall} {
		useAsNobody(t, install(t, wheel))
	}
}

// packTool runs the packer in a source tree, and returns the one wheel, which is for a system such as linux/amd64.
func packTool(t *testing.T, source, system string) string {
	t.Helper()
	output := t.TempDir()
	cmd := exec.Command("go", "run", "./scripts/tool-wheels", "-platforms", system, "-output", output)
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("packing: %v\n%s", err, out)
	}
	wheels, err := filepath.Glob(filepath.Join(output, "sagebuild-*-py3-none-*.whl"))
	if err != nil || len(wheels) != 1 {
		t.Fatalf("wheels: %v, %v", wheels, err)
	}
	return wheels[0]
}

// copyOfTree is the source tree elsewhere, with its history, and without what git ignores. It is a clone wherever the
// tree is a worktree, in which Go finds no history.
func copyOfTree(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere")
	for _, command := range []string{
		"git clone --quiet --shared --no-checkout . " + to,
		"cp $(git rev-parse --git-path index) " + to + "/.git/index",
		"git ls-files --cached --others --exclude-standard -z | xargs --null cp --parents --no-dereference --target-directory=" + to,
	} {
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	return to
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// openDir is a temporary directory that everybody may look into.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sagebuild-tool-")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// pipInstall installs the wheel into a fresh environment and returns the program. `python -m sagebuild` must find it.
func pipInstall(t *testing.T, wheel string) string {
	dir := openDir(t)
	python := filepath.Join(dir, "bin", "python")
	mustRun(t, "python3", "-m", "venv", "--copies", dir)
	mustRun(t, python, "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", wheel)
	program := filepath.Join(dir, "bin", "sagebuild")
	if module, own := mustRun(t, python, "-m", "sagebuild", "version"), mustRun(t, program, "version"); module != own {
		t.Errorf("python -m sagebuild says %q, sagebuild %q", module, own)
	}
	if shown := mustRun(t, python, "-m", "pip", "show", "--disable-pip-version-check", "sagebuild"); !strings.Contains(shown, "Summary: Says what wheels") {
		t.Errorf("pip shows %s", shown)
	}
	return program
}

// uvInstall installs the wheel as a tool, by the uv that builds use.
func uvInstall(t *testing.T, wheel string) string {
	uv := t.TempDir()
	mustRun(t, "python3", "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--root-user-action", "ignore",
		"--require-hashes", "--target", uv, "-r", "../lock/uv.txt")
	dir := openDir(t)
	places := []string{"UV_TOOL_DIR=" + filepath.Join(dir, "tools"), "UV_TOOL_BIN_DIR=" + filepath.Join(dir, "bin"), "UV_CACHE_DIR=" + filepath.Join(dir, "cache")}
	mustRun(t, "env", append(places, filepath.Join(uv, "bin", "uv"), "tool", "install", "--quiet", "--no-config", "--offline", "--no-python-downloads", wheel)...)
	return filepath.Join(dir, "bin", "sagebuild")
}

func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// useAsNobody runs the program as a user without rights, in an environment without anything.
func useAsNobody(t *testing.T, program string) {
	t.Helper()
	dir := openDir(t)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Skipf("only root becomes another user: %v", err)
	}
	checkUses(t, dir, runtime.GOOS+"/"+runtime.GOARCH, "runc", func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Env = []string{"HOME=" + dir, "PATH=/nowhere"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return cmd
	})
}

// checkUses runs in a directory what needs no sources, and wants a hint from what does. The program says for which system
// it is, and its doctor what is missing there.
func checkUses(t *testing.T, dir, system, missing string, program func(args ...string) *exec.Cmd) {
	t.Helper()
	const fixture = "fixture-1.0-py3-none-manylinux_2_17_x86_64.whl"
	if err := os.WriteFile(filepath.Join(dir, fixture), read(t, filepath.Join("../internal/audit/testdata", fixture)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, use := range []struct {
		code int
		want string // in what it says
		args []string
	}{
		{0, system, []string{"version"}},
		{0, "manylinux_2_5", []string{"audit", fixture}},
		{0, "sagebuild bake ", []string{"resolve", "--python", "3.12", "--torch", "2.8.0", "--gpu", "RTX 4090"}},
		{0, "linux-sage2-pytorch28-cu129-python312", []string{"matrix"}},
		{0, "published site: 1 file added", []string{"index", "--dist", ".", "--output", "site"}},
		{0, "published site: 0 files added, 0 changed, 0 removed, 1 kept", []string{"index", "--dist", ".", "--output", "site"}},
		{2, "hint: git clone ", []string{"bake", "default"}},
		{2, "hint: git clone ", []string{"verify", fixture}},
		{3, missing, []string{"doctor"}},
	} {
		cmd := program(use.args...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != use.code || !strings.Contains(string(out), use.want) {
			t.Errorf("sagebuild %s: exit code %d, want %d and %q in\n%s", strings.Join(use.args, " "), code, use.code, use.want, out)
		}
	}
}
