package base

import (
	"bytes"
	"debug/elf"
	"debug/pe"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

// platformText is a good lock with a platform, and with parts of it replaced.
func platformText(edits ...string) string {
	text := lockText() + `platform "board" {
  machine = "linux-arm64"
  image   = "arm64"
  emulator {
    suite    = "bookworm"
    include  = ["qemu-user"]
    packages = { "qemu-user" = "1:7.2 sha256:` + someSHA + `" }
  }
  libraries {
    suite    = "bookworm"
    include  = ["libc6"]
    packages = { "libc6" = "2.36 sha256:` + someSHA + `" }
  }
  python "3.12" {
    module {
      path    = "example.org/python"
      version = "v0.0.0-3.12.3"
      sum     = "` + someSum + `"
    }
    tree = "` + someTree + `"
  }
}
`
	return strings.NewReplacer(edits...).Replace(text)
}

func TestParseLockOfPlatforms(t *testing.T) {
	lock, err := ParseLock("system.hcl", []byte(platformText()))
	if err != nil {
		t.Fatal(err)
	}
	p, err := lock.platform("board")
	if err != nil {
		t.Fatal(err)
	}
	a := lock.emulator(p)
	if got := slices.Sorted(maps.Keys(a.Packages)); !slices.Equal(got, []string{"python3", "qemu-user"}) {
		t.Errorf("the emulator's root pins %v, want what the base has as well", got)
	}
	if !slices.Equal(a.Include, []string{"python3", "qemu-user"}) || a.Suite != "bookworm" || len(lock.Base.Packages) != 1 {
		t.Errorf("the emulator's root is %+v, and the base pins %v", a, lock.Base.Packages)
	}
	for want, err := range map[string]error{
		"only board":                second(lock.platform("other")),
		"no board python 3.9, only": second(findPython(p.Pythons, "board python", matrix.MustVersion("3.9"))),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestParseLockMistakesOfPlatforms(t *testing.T) {
	tests := map[string]struct {
		edits []string
		want  string
	}{
		"machine":            {[]string{`"linux-arm64"`, `"../x"`}, "../x"},
		"image":              {[]string{`"arm64"`, `"arm/64"`}, "arm/64"},
		"emulator's package": {[]string{`["qemu-user"]`, `["--option"]`}, "--option"},
		"emulator's suite":   {[]string{"suite    = \"bookworm\"\n    include  = [\"qemu", "suite    = \"trixie\"\n    include  = [\"qemu"}, "trixie"},
		"library's pin":      {[]string{"2.36 sha256", "2.36"}, "libc6"},
		"python":             {[]string{"  python \"3.12\"", "  python \"x\""}, "python"},
		"tree":               {[]string{"    tree = \"sha256", "    tree = \"md5"}, "md5"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseLock("system.hcl", []byte(platformText(test.edits...)))
			var e *diag.Error
			if !errors.As(err, &e) || e.Class != diag.Usage || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one that names %s", err, test.want)
			}
		})
	}
	twice := platformText() + strings.TrimPrefix(platformText(), lockText())
	if _, err := ParseLock("system.hcl", []byte(twice)); err == nil || !strings.Contains(err.Error(), "locked twice") {
		t.Errorf("a platform that is there twice gave %v", err)
	}
}

func TestSharedLibrary(t *testing.T) {
	for name, want := range map[string]bool{
		"./lib/ld-linux-aarch64.so.1":                   true,
		"./lib/aarch64-linux-gnu/libc.so.6":             true,
		"./usr/lib/aarch64-linux-gnu/libstdc++.so.6":    true,
		"./usr/lib/aarch64-linux-gnu/gconv/UTF-7.so":    false,
		"./usr/share/doc/libc6/copyright":               false,
		"./etc/ld.so.conf.d/aarch64-linux-gnu.conf":     false,
		"./lib/aarch64-linux-gnu/../../../etc/evil.so":  false,
		"./usr/share/gdb/auto-load/usr/lib/libx.so-gdb": false,
	} {
		if got, ok := sharedLibrary(name); ok != want || (ok && got != strings.TrimPrefix(name, "./")) {
			t.Errorf("%s goes to %s, %v; want %v", name, got, ok, want)
		}
	}
}

// TestPlatformsOfTheLock makes an interpreter of each platform and looks at what its programs are for.
func TestPlatformsOfTheLock(t *testing.T) {
	store, _ := newStore(t)
	t.Parallel()
	for platform, check := range map[string]func(*testing.T, string){"linux-arm64": checkArm, "windows": checkWindows} {
		t.Run(platform, func(t *testing.T) {
			python, err := store.PlatformPython(t.Context(), platform, matrix.MustVersion("3.12"))
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			unpack(t, python, root)
			check(t, root)
		})
	}
}

func checkArm(t *testing.T, root string) {
	t.Helper()
	for _, name := range []string{"usr/local/bin/python3.12", "lib/ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu/libcrypt.so.1", "usr/lib/aarch64-linux-gnu/libstdc++.so.6"} {
		file, err := elf.Open(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if file.Machine != elf.EM_AARCH64 {
			t.Errorf("%s is for %s", name, file.Machine)
		}
		_ = file.Close()
	}
	emulator, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		t.Skip("no qemu-aarch64")
	}
	script := importAll + "import platform; assert platform.machine() == 'aarch64'"
	out, err := exec.Command(emulator, "-L", root, filepath.Join(root, "usr/local/bin/python3.12"), "-c", script).CombinedOutput()
	if err != nil || !bytes.HasSuffix(bytes.TrimSpace(out), []byte("/site-packages")) {
		t.Errorf("%v: %s", err, out)
	}
}

func checkWindows(t *testing.T, root string) {
	t.Helper()
	for _, name := range []string{"python.exe", "python312.dll", "DLLs/_ctypes.pyd"} {
		file, err := pe.Open(filepath.Join(root, "usr/local", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if file.Machine != pe.IMAGE_FILE_MACHINE_AMD64 {
			t.Errorf("%s is for machine %#x", name, file.Machine)
		}
		_ = file.Close()
	}
	for _, unwanted := range []string{"tcl", "Lib/test", "Lib/tkinter"} {
		if _, err := os.Stat(filepath.Join(root, "usr/local", unwanted)); err == nil {
			t.Errorf("the tree holds %s", unwanted)
		}
	}
}
