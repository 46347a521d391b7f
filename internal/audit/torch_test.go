package audit

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// torchFiles are two libraries of a small torch.
func torchFiles() []file {
	return []file{
		{"torch/lib/libc10.so", sharedObject([]string{"_ZN3c106SymInt4initEv"}, nil)},
		{"torch/lib/libtorch_cpu.so", sharedObject([]string{"_ZN2at5emptyEv", "helper"}, []string{"_ZN2at6absentEv"})},
	}
}

// torches are the same torch as a directory, its lib, and a wheel.
func torches(t *testing.T) []string {
	dir := t.TempDir()
	for _, f := range torchFiles() {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name := "torch-2.8.0-cp312-cp312-manylinux_2_28_x86_64.whl"
	return []string{filepath.Join(dir, "torch"), filepath.Join(dir, "torch", "lib"), write(t, name, pack(t, name, torchFiles()...))}
}

func TestTorch(t *testing.T) {
	needs := []string{"_ZN3c106SymInt4initEv", "_ZN2at5emptyEv", "_ZN2at6absentEv", "helper", "stranger", "printf"}
	for _, torch := range torches(t) {
		options := defaults(t)
		options.Torch = torch
		r := audited(t, options, fixtureName, file{"fixture/lib.so", sharedObject(nil, needs)})
		if r.Torch == nil || r.Torch.Asked != 3 || r.Torch.Libraries != 2 {
			t.Fatalf("%s: %+v", torch, r.Torch)
		}
		if missing := r.Torch.Missing; len(missing) != 1 || missing[0].Name != "_ZN2at6absentEv" || missing[0].Members[0] != "fixture/lib.so" {
			t.Errorf("%s: missing %+v", torch, missing)
		}
		if other := r.Torch.Elsewhere; len(other) != 2 || other[0].Name != "printf" || other[1].Name != "stranger" {
			t.Errorf("%s: elsewhere %+v", torch, other)
		}
		if !slices.Equal(r.codes(finding.Error), []finding.Code{CodeTorchSymbol}) {
			t.Errorf("%s: %+v", torch, r.Findings)
		}
	}
}

func TestTorchThatIsNone(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent"), write(t, "torch.whl", []byte("no zip"))} {
		options := defaults(t)
		options.Torch = path
		_, err := Run(write(t, fixtureName, pack(t, fixtureName, file{"fixture/lib.so", sharedObject(nil, []string{"_ZN2at5emptyEv"})})), options)
		if diag.ClassOf(err) != diag.Usage {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Only a wheel that needs a symbol of torch makes the audit look for a torch.
func TestFindTorch(t *testing.T) {
	asked := 0
	options := defaults(t)
	options.FindTorch = func(w *wheel.Wheel) (string, error) {
		if asked++; w.Name != fixtureName {
			t.Errorf("asked for %s", w.Name)
		}
		return torches(t)[2], nil
	}
	r := audited(t, options, fixtureName, file{"fixture/lib.so", sharedObject(nil, []string{"printf"})})
	if asked != 0 || r.Torch == nil || r.Torch.Path != "" {
		t.Errorf("asked %d times: %+v", asked, r.Torch)
	}
	r = audited(t, options, fixtureName, file{"fixture/lib.so", sharedObject(nil, []string{"_ZN2at5emptyEv"})})
	if asked != 1 || r.Torch.Asked != 1 || len(r.Torch.Missing) != 0 {
		t.Errorf("asked %d times: %+v", asked, r.Torch)
	}
	options.FindTorch = func(*wheel.Wheel) (string, error) { return "", errors.New("no network") }
	path := write(t, fixtureName, pack(t, fixtureName, file{"fixture/lib.so", sharedObject(nil, []string{"_ZN2at5emptyEv"})}))
	if _, err := Run(path, options); err == nil || err.Error() != "no network" {
		t.Errorf("error is %v", err)
	}
}
