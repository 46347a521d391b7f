package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
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

func TestStagesRun(t *testing.T) {
	events := `{"vertexes":[{"digest":"a","name":"[all kernels-sm70-build 3/3] RUN compile","completed":"2026-01-01T00:00:00Z"}]}
{"vertexes":[{"digest":"b","name":"[all kernels-sm75-build 3/3] RUN compile","completed":"2026-01-01T00:00:00Z","cached":true}]}
{"vertexes":[{"digest":"c","name":"[all kernels 2/2] RUN fatbin"},{"digest":"d","name":"[all kernels 1/2] COPY x","completed":"2026-01-01T00:00:00Z"}]}
{"vertexes":[{"digest":"c","name":"[all kernels 2/2] RUN fatbin","completed":"2026-01-01T00:00:00Z"},{"digest":"e","name":"[all kernels 2/2] RUN fatbin","completed":"2026-01-01T00:00:00Z"}]}`
	got, err := stagesRun(strings.NewReader(events))
	want := []string{"kernels (2 times)", "kernels-sm70-build"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
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
