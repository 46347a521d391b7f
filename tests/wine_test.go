package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/tests/dll"
)

// wine64 is where Debian's package has it.
const wine64 = "/usr/lib/wine/wine64"

// TestToolOnWindows has pip install the wheel for Windows, and uses its program in Wine.
func TestToolOnWindows(t *testing.T) {
	if os.Getenv("SAGEBUILD_TEST_WINE") != "1" {
		t.Skip("compiles the program for Windows, which takes minutes: make test-tool-windows")
	}
	dir := openDir(t)
	mustRun(t, "python3", "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", "--root-user-action", "ignore",
		"--platform", "win_amd64", "--only-binary", ":all:", "--target", dir, packTool(t, copyOfTree(t), "windows/amd64"))
	program, environment := filepath.Join(dir, "bin", "sagebuild.exe"), wineEnvironment(t)
	checkUses(t, t.TempDir(), "windows/amd64", "this system is windows", func(args ...string) *exec.Cmd {
		cmd := exec.Command(wine64, append([]string{program}, args...)...)
		cmd.Env = environment
		return cmd
	})
}

// wineEnvironment is a fresh Windows, with the one DLL that Wine 8.0 lacks and every Go program asks for: there it has
// Windows' source of random numbers, which Wine has under an older name.
func wineEnvironment(t *testing.T) []string {
	prefix := t.TempDir()
	environment := append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml,winedbg.exe=;bcryptprimitives=n")
	for _, command := range [][]string{{wine64, "wineboot", "--init"}, {"/usr/lib/wine/wineserver64", "--wait"}} {
		boot := exec.Command(command[0], command[1:]...)
		boot.Env = environment
		if out, err := boot.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	random := dll.DLL{Name: "bcryptprimitives.dll", Exports: []string{"ProcessPrng=advapi32.SystemFunction036"}}
	if err := os.WriteFile(filepath.Join(prefix, "drive_c", "windows", "system32", random.Name), random.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return environment
}
