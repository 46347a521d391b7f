package torch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

const fixture = "torch-2.8.0-cp312-cp312-manylinux_2_28_x86_64.whl"

var asked = Request{Version: "2.8.0", Python: "3.12", System: "linux", Machine: "x86_64"}

// offline makes pip see the wheels of a directory and nothing else.
func offline(t *testing.T) (links string) {
	t.Helper()
	if _, err := findPip(t.Context()); err != nil {
		t.Skip(err)
	}
	links = t.TempDir()
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("PIP_FIND_LINKS", links)
	return links
}

// offer puts a torch without content on offer and returns its hash.
func offer(t *testing.T, links, name string) string {
	t.Helper()
	data := wheeltest.Pack(t, "",
		wheeltest.File{Name: "torch/lib/libc10.so", Data: []byte("ELF")},
		wheeltest.File{Name: "torch-2.8.0.dist-info/METADATA", Data: []byte("Metadata-Version: 2.1\nName: torch\nVersion: 2.8.0\n")},
		wheeltest.File{Name: "torch-2.8.0.dist-info/WHEEL", Data: []byte("Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: cp312-cp312-manylinux_2_28_x86_64\n")},
		wheeltest.File{Name: "torch-2.8.0.dist-info/RECORD"},
		wheeltest.File{Name: "torch-2.8.0.dist-info/INSTALLER", Data: []byte(name)})
	path := filepath.Join(links, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	sum, err := digest.File(path)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestWheelIsFetchedOnce(t *testing.T) {
	links := offline(t)
	offer(t, links, fixture)
	offer(t, links, strings.ReplaceAll(fixture, "cp312", "cp311"))
	offer(t, links, strings.ReplaceAll(fixture, "x86_64", "aarch64"))
	var said bytes.Buffer
	store := Store{State: t.TempDir(), Log: &said}
	path, err := store.Wheel(t.Context(), asked)
	if err != nil || filepath.Base(path) != fixture {
		t.Fatalf("%s, %v", path, err)
	}
	if err := os.Remove(filepath.Join(links, fixture)); err != nil {
		t.Fatal(err)
	}
	again, err := store.Wheel(t.Context(), asked)
	if err != nil || again != path || strings.Count(said.String(), "fetching") != 1 {
		t.Fatalf("%s, %v, said %q", again, err, said.String())
	}

	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Wheel(t.Context(), asked); diag.ClassOf(err) != diag.Environment {
		t.Errorf("damaged, and no more to be had: %v", err)
	}
	offer(t, links, fixture)
	if again, err := store.Wheel(t.Context(), asked); err != nil || kept(filepath.Dir(again)) != again {
		t.Errorf("damaged: %s, %v", again, err)
	}
	defer func() {
		if freed, err := Remove(store.State); err != nil || freed < 100 || kept(filepath.Dir(path)) != "" {
			t.Errorf("removing freed %d bytes, %v", freed, err)
		}
		if freed, err := Remove(store.State); err != nil || freed != 0 {
			t.Errorf("removing nothing freed %d bytes, %v", freed, err)
		}
	}()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestPlatforms wants each system and machine to get its own wheel, kept apart from the others.
func TestPlatforms(t *testing.T) {
	links := offline(t)
	store := Store{State: t.TempDir(), Log: &bytes.Buffer{}}
	for platform, request := range map[string]Request{
		"manylinux_2_28_x86_64":  asked,
		"manylinux_2_28_aarch64": {"2.8.0", "3.12", "linux", "aarch64"},
		"win_amd64":              {"2.8.0", "3.12", "windows", "x86_64"},
	} {
		name := strings.ReplaceAll(fixture, "manylinux_2_28_x86_64", platform)
		offer(t, links, name)
		path, err := store.Wheel(t.Context(), request)
		if err != nil || filepath.Base(path) != name {
			t.Errorf("%s: %s, %v", platform, path, err)
		}
	}
	if folders, err := filepath.Glob(filepath.Join(folder(store.State), "*")); err != nil || len(folders) != 3 {
		t.Errorf("folders %q, error %v", folders, err)
	}
}

func TestLockedHashes(t *testing.T) {
	links := offline(t)
	sum := offer(t, links, fixture)
	for _, test := range []struct {
		name, lock string
		want       bool
	}{
		{"the hash", "torch==2.8.0 \\\n    --hash=sha256:" + strings.Repeat("0", 64) + " \\\n    --hash=sha256:" + sum + "\n", true},
		{"other hashes", "torch==2.8.0 \\\n    --hash=sha256:" + strings.Repeat("0", 64) + "\n", false},
		{"another release", "torch==2.8.1 \\\n    --hash=sha256:" + strings.Repeat("0", 64) + "\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			locks := t.TempDir()
			if err := os.WriteFile(filepath.Join(locks, "torch28-python312.txt"), []byte("filelock==1 --hash=sha256:00\n"+test.lock), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Store{State: t.TempDir(), Locks: locks, Log: &bytes.Buffer{}}.Wheel(t.Context(), asked)
			if (err == nil) != test.want || err != nil && diag.ClassOf(err) != diag.Environment {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestReleaseThatIsNotThere(t *testing.T) {
	offline(t)
	t.Setenv("FORCE_COLOR", "1") // as workflows set it
	_, err := Store{State: t.TempDir(), Log: &bytes.Buffer{}}.Wheel(t.Context(), asked)
	if diag.ClassOf(err) != diag.Environment || !strings.Contains(err.Error(), "No matching distribution found for torch==2.8.0") {
		t.Errorf("error is %v", err)
	}
}

func TestIsRelease(t *testing.T) {
	for text, want := range map[string]bool{
		"2.8.0": true, "2.10.1": true, "2.8.0+cu129": true, "2.8": true, "2.8+cu129": false, "2": false, "": false, "2.8.0/..": false,
		"2.8.0rc1": false, "v2.8.0": false, "2.8.0+": false, "2.8.0 ": false, "site-packages/torch": false,
	} {
		if IsRelease(text) != want {
			t.Errorf("%q: %v, want %v", text, !want, want)
		}
	}
	if _, err := (Store{State: t.TempDir()}).Wheel(t.Context(), Request{Version: "../x"}); diag.ClassOf(err) != diag.Usage {
		t.Errorf("error is %v", err)
	}
}

func TestRequestFor(t *testing.T) {
	for name, want := range map[string]Request{
		"a-1-cp311-cp311-linux_x86_64.whl":                            {"2.8.0", "3.11", "linux", "x86_64"},
		"a-1-cp39-abi3-manylinux_2_28_aarch64.whl":                    {"2.8.0", "3.12", "linux", "aarch64"},
		"a-1-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl": {"2.8.0", "3.12", "linux", "x86_64"},
		"a-1-cp313-cp313t-manylinux_2_28_x86_64.whl":                  {"2.8.0", "3.12", "linux", "x86_64"},
		"sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl":    {"2.8.0", "3.12", "linux", "x86_64"},
		"a-1-cp310-cp310-win_amd64.whl":                               {"2.8.0", "3.10", "windows", "x86_64"},
		"a-1-py3-none-win_arm64.whl":                                  {"2.8.0", "3.12", "windows", "aarch64"},
		"a-1-cp312-cp312-win32.whl":                                   {},
		"a-1-py3-none-any.whl":                                        {},
		"a-1-cp312-cp312-macosx_11_0_x86_64.whl":                      {},
	} {
		parsed, err := wheel.ParseFilename(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := RequestFor("2.8.0", parsed)
		if (err != nil) != (want == Request{}) || err == nil && got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, "sleep", []string{"60"}); err == nil {
		t.Error("a cancelled run went on")
	}
}

func TestLastLine(t *testing.T) {
	failed := &exec.Error{Name: "pip", Err: fmt.Errorf("gone")}
	for said, want := range map[string]string{
		"ERROR: first\nERROR: second\nWARNING: x\n": "second", "odd\n": "odd", "": failed.Error(),
	} {
		if got := lastLine(said, failed); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
