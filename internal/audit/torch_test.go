package audit

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
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
		if !slices.Equal(r.codes(wheel.Error), []wheel.Code{CodeTorchSymbol}) {
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
