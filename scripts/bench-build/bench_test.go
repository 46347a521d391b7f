package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestMeasureCountsDescendants(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	// The outer shell waits for one that burns CPU time in a grandchild.
	m, err := measure(io.Discard, "bash", "-c", `bash -c 'for ((i = 0; i < 300000; i++)); do :; done; true'; true`)
	if err != nil {
		t.Fatal(err)
	}
	if m.CPU < 50*time.Millisecond || m.Peak == 0 {
		t.Errorf("CPU %v, peak %d: the grandchild is missing", m.CPU, m.Peak)
	}
}

func TestCountStages(t *testing.T) {
	got := countStages([]string{"builder", "builder", "kernels-sm70-build"})
	if want := []string{"builder (2 times)", "kernels-sm70-build"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestReadParentWithAnOddName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "42", "stat")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("42 (a) b (c) S 7 42 42"), 0o644); err != nil {
		t.Fatal(err)
	}
	if pid, parent, ok := readParent(path); pid != 42 || parent != 7 || !ok {
		t.Errorf("got %d, %d, %v", pid, parent, ok)
	}
}
